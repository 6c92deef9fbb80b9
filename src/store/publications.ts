/**
 * Number of publications to each worker's slot: one word per row of the board. Slots are scattered in memory, so
 * checking 10,000 of them costs as many cache misses; these words take 40 kB and are copied at once.
 *
 * A publisher increments the count after publishing: the worker's lane, its successor after a repair, and main when a
 * lane's thread has ended, which may have been killed in between. Readers read the count first, then the slot.
 * - A reader that misses a publication read the slot before the increment, so the count differs at its next look. The
 * count
 *   must be read by `of` (Atomics) before the slot; the plain read of `copyTo` orders nothing.
 * - A count may change without a publication (main increments in either case), and twice for one: readers then read
 * once in
 *   vain. The number of publications is in the slot, not in the difference of two counts.
 *
 * A word is passed from lane to lane with the slot, by `leave` and `left`. A thread that does not terminate, or that
 * has not left a worker whose row was reused, may still increment it: so all writers use atomic adds, and no count is
 * lost. Counts wrap at 2^32 and are compared only for equality.
 *
 * Sixteen rows share a cache line, for which lanes on several cores compete, once per heartbeat. A line per row would
 * avoid that, but make every look as slow as without these words.
 */

/** The memory, as passed between threads. */
export type PublicationsMemory = SharedArrayBuffer;

export function allocatePublications(rows: number): PublicationsMemory {
  return new SharedArrayBuffer(rows * Int32Array.BYTES_PER_ELEMENT);
}

export class Publications {
  readonly #words: Int32Array;

  constructor(memory: PublicationsMemory) {
    this.#words = new Int32Array(memory);
  }

  /** Something was published, or may have been published, to the slot of this row. */
  add(row: number): void {
    Atomics.add(this.#words, row, 1);
  }

  /** Must be read before the slot. */
  of(row: number): number {
    return Atomics.load(this.#words, row);
  }

  /** Copies all rows, plainly: later changes are found by the next look. */
  copyTo(target: Int32Array): void {
    target.set(this.#words);
  }
}
