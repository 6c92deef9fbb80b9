/**
 * Attributes growth of the process's memory to workers. While main requests it, resident memory is read before and
 * after each turn. Other threads allocate and free memory meanwhile, so the differences are summed up per worker, never
 * below zero: memory that is taken and kept adds up, memory that comes and goes does not.
 */
import type { LedgerWriter, Place } from '../store/lane-ledger.ts';

const NOTHING = { kib: 0, row: 0, occupant: 0 };

export class MemoryGrowth<O extends Place> {
  readonly #ledger: LedgerWriter;
  readonly #residentBytes: () => number;
  /** A WeakMap, since workers come and go. */
  #kibOf = new WeakMap<O, number>();
  #bytesBefore = 0;
  /** The largest growth and its worker, as published to main. */
  #published: Place & { readonly kib: number } = NOTHING;

  /** @param residentBytes resident memory of the process; read from a kernel file, which takes 10 µs */
  constructor(ledger: LedgerWriter, residentBytes: () => number) {
    this.#ledger = ledger;
    this.#residentBytes = residentBytes;
  }

  /** A turn of `before` ends and one of `after` begins. */
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
    // If the published sum falls below another worker's, that worker publishes its own at the end of its next turn.
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
