/**
 * Board rows in the order of their last changes, each once. Finding everything that changed after counter N takes as many
 * steps as there are such rows.
 */
const NONE = -1;

export class ChangeOrder {
  /** By row; 0: not in the order. Counters start at 1. */
  readonly #at: Float64Array;
  /** Each row's neighbours. */
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  #newest = NONE;

  /** @param rows the capacity of the board */
  constructor(rows: number) {
    this.#at = new Float64Array(rows);
    this.#before = new Int32Array(rows);
    this.#after = new Int32Array(rows);
  }

  /** The counter of the row's last change; 0 if it is not in the order. */
  at(row: number): number {
    return this.#at[row] as number;
  }

  /** The first row that changed after `counter`, or -1. */
  firstAfter(counter: number): number {
    let first = NONE;
    for (let row = this.#newest; row !== NONE && (this.#at[row] as number) > counter; ) {
      first = row;
      row = this.#before[row] as number;
    }
    return first;
  }

  /** The row after `row` in the order, or -1. */
  next(row: number): number {
    return this.#after[row] as number;
  }

  /** Moves the row to the end. @param at larger than every counter so far */
  move(row: number, at: number): void {
    this.remove(row);
    this.#at[row] = at;
    this.#before[row] = this.#newest;
    this.#after[row] = NONE;
    if (this.#newest !== NONE) this.#after[this.#newest] = row;
    this.#newest = row;
  }

  /** Does nothing if the row is not in the order. */
  remove(row: number): void {
    if (this.#at[row] === 0) return;
    this.#at[row] = 0;
    const before = this.#before[row] as number;
    const after = this.#after[row] as number;
    if (before !== NONE) this.#after[before] = after;
    if (after === NONE) this.#newest = before;
    else this.#before[after] = before;
  }
}
