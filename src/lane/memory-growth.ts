/**
 * For whom the memory of the process grows: while main asks for it, resident memory is read before and after each turn. What
 * other threads take meanwhile is in it, too, but only he who makes it grow does so each time.
 */
import type { LedgerWriter, Place } from '../store/lane-ledger.ts';

export class MemoryGrowth<O extends Place> {
  readonly #ledger: LedgerWriter;
  readonly #residentBytes: () => number;
  readonly #kibOf = new Map<O, number>();
  #bytesBefore = 0;
  #mostKib = 0;

  /** @param residentBytes of the process: a file of the kernel, which takes 10 µs to read */
  constructor(ledger: LedgerWriter, residentBytes: () => number) {
    this.#ledger = ledger;
    this.#residentBytes = residentBytes;
  }

  /** The turn of one ends, or that of another begins. */
  turn(before: O | undefined, after: O | undefined): void {
    if (before === undefined && after === undefined) return;
    if (!this.#ledger.isWatched) {
      if (this.#bytesBefore !== 0) this.#forget();
      return;
    }
    const bytes = this.#residentBytes();
    if (before !== undefined && this.#bytesBefore !== 0 && bytes > this.#bytesBefore) {
      this.#add(before, Math.round((bytes - this.#bytesBefore) / 1024));
    }
    this.#bytesBefore = bytes;
  }

  #add(owner: O, kib: number): void {
    const ofOwner = (this.#kibOf.get(owner) ?? 0) + kib;
    this.#kibOf.set(owner, ofOwner);
    if (ofOwner <= this.#mostKib) return;
    this.#mostKib = ofOwner;
    this.#ledger.setGrown(ofOwner, owner);
  }

  #forget(): void {
    this.#bytesBefore = 0;
    this.#mostKib = 0;
    this.#kibOf.clear();
    this.#ledger.setGrown(0, { row: 0, occupant: 0 });
  }
}
