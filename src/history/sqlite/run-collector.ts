/** Joins the samples of one worker while they are decoded: many commits of a single sample become one run. */
import type { MetricKey, SampleRun } from '../samples.ts';

const FIRST_CAPACITY = 16;

export class RunCollector {
  readonly #workerId: string;
  readonly #finished: SampleRun[] = [];
  #run = 0;
  #first = 0;
  #length = 0;
  #at = new Float64Array();
  #flags = new Uint8Array();
  #columns = new Map<MetricKey, Float64Array>();

  constructor(workerId: string) {
    this.#workerId = workerId;
  }

  /** Makes room for samples that come next. @returns their place in the columns */
  reserve(run: number, first: number, count: number): number {
    if (this.#length === 0 || run !== this.#run || first !== this.#first + this.#length) {
      this.#finish();
      this.#run = run;
      this.#first = first;
    }
    const place = this.#length;
    this.#length += count;
    if (this.#length > this.#at.length) this.#grow();
    return place;
  }

  get at(): Float64Array {
    return this.#at;
  }

  get flags(): Uint8Array {
    return this.#flags;
  }

  /** Samples for which nothing is set lack the metric. */
  column(key: MetricKey): Float64Array {
    let column = this.#columns.get(key);
    if (column === undefined) {
      column = new Float64Array(this.#at.length).fill(Number.NaN);
      this.#columns.set(key, column);
    }
    return column;
  }

  /** In the order in which they were added. */
  runs(): SampleRun[] {
    this.#finish();
    return this.#finished;
  }

  #finish(): void {
    const length = this.#length;
    if (length === 0) return;
    this.#finished.push({
      workerId: this.#workerId,
      run: this.#run,
      first: this.#first,
      at: this.#at.subarray(0, length),
      flags: this.#flags.subarray(0, length),
      columns: new Map([...this.#columns].map(([key, column]) => [key, column.subarray(0, length)])),
    });
    this.#length = 0;
    this.#at = new Float64Array();
    this.#flags = new Uint8Array();
    this.#columns = new Map();
  }

  #grow(): void {
    const capacity = Math.max(this.#length, 2 * this.#at.length, FIRST_CAPACITY);
    const grown = (column: Float64Array) => {
      const larger = new Float64Array(capacity).fill(Number.NaN);
      larger.set(column);
      return larger;
    };
    this.#at = grown(this.#at);
    const flags = new Uint8Array(capacity);
    flags.set(this.#flags);
    this.#flags = flags;
    for (const [key, column] of this.#columns) this.#columns.set(key, grown(column));
  }
}
