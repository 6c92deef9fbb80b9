/** What a worker reported over time: values of one name, in the order of time. */

/** A metric (`metrics.frames`), or a name of expressions. */
export type TrackName = string;

export interface ReplayWorker {
  readonly workerId: string;
  readonly group: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly numbers: ReadonlyMap<TrackName, NumberTrack>;
  /** Changes of texts and truth values, such as `state` and `stuck`. */
  readonly changes: readonly ReplayChange[];
}

export interface ReplayChange {
  readonly atMs: number;
  readonly name: TrackName;
  readonly value: string | boolean;
}

/** Times and values side by side, as there may be millions. NaN: no value from then on. */
export class NumberTrack {
  #at = new Float64Array(64);
  #values = new Float64Array(64);
  length = 0;

  /** @param atMs not less than before */
  add(atMs: number, value: number): void {
    if (this.length === this.#at.length) {
      this.#at = doubled(this.#at);
      this.#values = doubled(this.#values);
    }
    this.#at[this.length] = atMs;
    this.#values[this.length] = value;
    this.length++;
  }

  atOf(index: number): number {
    return this.#at[index] as number;
  }

  valueOf(index: number): number {
    return this.#values[index] as number;
  }
}

function doubled(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** Recorded or written series, and what they can say. */
export interface ReplaySource {
  readonly workers: readonly ReplayWorker[];
  /** Groups whose brake was active, by time. */
  readonly brakes: readonly { readonly atMs: number; readonly group: string; readonly isActive: boolean }[];
  /** Unix ms; the end is inclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Names of expressions about which it knows something. Custom metrics and labels are always known. */
  readonly knows: ReadonlySet<string>;
  /** How far apart values are at most at that time: there is no need to evaluate more often. */
  readonly stepMs: (atMs: number) => number;
}
