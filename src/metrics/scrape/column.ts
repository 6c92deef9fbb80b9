/**
 * The values of one family, by board row. Each row has the version at which its value changed last, so that whoever made text of
 * an earlier version knows which lines to write again.
 */

/** Versions only increase, within one life of a thread. */
export type Version = number;

export class Column<Value> {
  /** Undefined: the worker has no series in this family. */
  readonly values: (Value | undefined)[] = [];
  /** By row. */
  readonly #changed: Version[] = [];
  readonly #seriesOf: (value: Value) => number;
  readonly #isSame: (one: Value, other: Value) => boolean;
  #series = 0;
  #version: Version = 0;

  /**
   * @param seriesOf how many series a value is
   * @param isSame whether two values have the same text
   */
  constructor(seriesOf: (value: Value) => number, isSame: (one: Value, other: Value) => boolean) {
    this.#seriesOf = seriesOf;
    this.#isSame = isSame;
  }

  /** Of the last change in any row. */
  get version(): Version {
    return this.#version;
  }

  /** In all rows. */
  get series(): number {
    return this.#series;
  }

  seriesIn(row: number): number {
    const value = this.values[row];
    return value === undefined ? 0 : this.#seriesOf(value);
  }

  changedAt(row: number): Version {
    return this.#changed[row] as Version;
  }

  /** @param version of the change, if it is one; not below that of an earlier one */
  set(row: number, value: Value | undefined, version: Version): void {
    const { values } = this;
    // Without holes, which would make the array slower.
    while (values.length <= row) {
      values.push(undefined);
      this.#changed.push(0);
    }
    const before = values[row];
    if (before === value) return;
    if (before !== undefined && value !== undefined && this.#isSame(before, value)) return;
    this.#series += (value === undefined ? 0 : this.#seriesOf(value)) - this.seriesIn(row);
    values[row] = value;
    this.#changed[row] = version;
    this.#version = version;
  }
}
