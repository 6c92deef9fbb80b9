/**
 * For whom the memory of the process grows: while main asks for it, resident memory is read before and after each turn. What
 * other threads take and give back meanwhile is in it, too. So both are summed up, for each worker from the last moment at
 * which nothing was left: what is taken and kept adds up, and what comes and goes does not.
 */
import type { LedgerWriter, Place } from '../store/lane-ledger.ts';

const NOTHING = { kib: 0, row: 0, occupant: 0 };

export class MemoryGrowth<O extends Place> {
  readonly #ledger: LedgerWriter;
  readonly #residentBytes: () => number;
  /** Weak, since workers come and go. */
  #kibOf = new WeakMap<O, number>();
  #bytesBefore = 0;
  /** What main is told: the most, and whose it is. */
  #published: Place & { readonly kib: number } = NOTHING;

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
    if (before !== undefined && this.#bytesBefore !== 0) {
      this.#add(before, Math.round((bytes - this.#bytesBefore) / 1024));
    }
    this.#bytesBefore = bytes;
  }

  #add(owner: O, kib: number): void {
    const beforeKib = this.#kibOf.get(owner) ?? 0;
    const ofOwner = Math.max(0, beforeKib + kib);
    if (ofOwner !== beforeKib) this.#kibOf.set(owner, ofOwner);
    const { row, occupant } = owner;
    const published = this.#published;
    const isPublished = published.row === row && published.occupant === occupant;
    // Whoever has more than one whose sum falls says so at the end of his next turn.
    if (ofOwner > published.kib || (isPublished && ofOwner < published.kib))
      this.#publish({ kib: ofOwner, row, occupant });
  }

  #publish(grown: Place & { readonly kib: number }): void {
    this.#published = grown;
    this.#ledger.setGrown(grown.kib, grown);
  }

  #forget(): void {
    this.#bytesBefore = 0;
    this.#kibOf = new WeakMap();
    this.#publish(NOTHING);
  }
}
