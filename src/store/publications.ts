/**
 * How often each worker's slot was published to, side by side: one word per row of the board. Slots lie all over memory, so
 * that a look at each of 10,000 is as many cache misses; these words are 40 kB, copied at once.
 *
 * Roles: whoever publishes to a slot counts after it: the worker's lane, a successor that mended something, and main when a
 * lane's thread has ended, which may have been killed between the two. Readers look at the count first and at the slot
 * after it.
 * - A reader that misses a publication looked before it was counted, so the count differs at its next look. The count is
 *   to be asked by `of` (Atomics) before the slot is read: the plain look of `copyTo` orders nothing.
 * - A count may move without a publication (main counts whether or not the thread had), and twice for one: readers then
 *   read once in vain. What was published in between tells the slot itself, not the difference of two counts.
 *
 * The words are handed from lane to lane with the slot, by `leave` and `left`. A thread that does not end, and one that has
 * yet to leave a worker whose row is another's already, may still count there: so everybody adds and nobody stores, and of
 * two that add at once no count is lost. Counts wrap at 2^32 and are compared for being equal alone.
 *
 * Sixteen rows share a cache line, which lanes on several cores take from each other, once for each heartbeat. A line for each
 * row would spare them that, and cost every look what this saves.
 */

/** The memory itself, as it is handed from thread to thread. */
export type PublicationsMemory = SharedArrayBuffer;

export function allocatePublications(rows: number): PublicationsMemory {
  return new SharedArrayBuffer(rows * Int32Array.BYTES_PER_ELEMENT);
}

export class Publications {
  readonly #words: Int32Array;

  constructor(memory: PublicationsMemory) {
    this.#words = new Int32Array(memory);
  }

  /** Something was published to the slot of this row, or may have been. */
  add(row: number): void {
    Atomics.add(this.#words, row, 1);
  }

  /** To be asked before the slot is read. */
  of(row: number): number {
    return Atomics.load(this.#words, row);
  }

  /** All rows, read plainly: whatever is counted later is found by the next look. */
  copyTo(target: Int32Array): void {
    target.set(this.#words);
  }
}
