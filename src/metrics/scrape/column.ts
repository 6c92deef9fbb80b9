/** The values of a family that any worker may have: every row has a place. */
import type { RowValues, Version } from './row-values.ts';

export class Column<Value> implements RowValues<Value> {
  readonly values: (Value | undefined)[] = [];
  readonly changed: Version[] = [];
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

  /** All, from 0 on. */
  get rows(): Uint32Array {
    return firstRows(this.values.length);
  }

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

  /** @param version of the change, if it is one; not below that of an earlier one */
  set(row: number, value: Value | undefined, version: Version): void {
    const { values, changed } = this;
    // Without holes, which would make the array slower.
    while (values.length <= row) {
      values.push(undefined);
      changed.push(0);
    }
    const before = values[row];
    if (before === value) return;
    if (before !== undefined && value !== undefined && this.#isSame(before, value)) return;
    this.#series += (value === undefined ? 0 : this.#seriesOf(value)) - this.seriesIn(row);
    values[row] = value;
    changed[row] = version;
    this.#version = version;
  }
}

/** Grows; the same for all columns. */
let counting = new Uint32Array(0);

function firstRows(count: number): Uint32Array {
  if (counting.length < count) counting = Uint32Array.from({ length: 2 * count }, (_, row) => row);
  return counting.subarray(0, count);
}
