/**
 * Records for which worker a lane with a processor runs code, and the time spent for each worker. Shared memory remains
 * readable when the thread loops for ever or is gone; a message would not arrive.
 *
 *     ledger, of 4-byte words
 *     ┌───────┬─────────┬──────┬─────┬──────────┬───────────┬─────┬──────────┬──────────┬────────────────────────────┐
 *     │ turns │ resting │ hand │ row │ occupant │ grown KiB │ row │ occupant │ total µs │ µs and whose, for each row │
 *     └───────┴─────────┴──────┴─────┴──────────┴───────────┴─────┴──────────┴──────────┴────────────────────────────┘
 *     holds, of 4-byte words
 *     ┌───────────────────┬────────────────────┐
 *     │ memory is watched │ held, for each row │
 *     └───────────────────┴────────────────────┘
 *
 * Only the lane's thread writes the ledger, and each thread gets a new one; only main writes the holds. Counts wrap, so
 * only differences matter. The µs of a row belong to its newest occupant and begin with its first turn; later work for
 * earlier occupants is only in the total. While the thread rests, the other words describe its last turn. Main may read
 * a turn that is just beginning or ending; after the thread's death the words are stable.
 */

/** For whom the thread runs, or last ran. */
export const Hand = { none: 0, worker: 1, nobodyKnown: 2 } as const;
export type Hand = (typeof Hand)[keyof typeof Hand];

const Word = {
  turns: 0,
  resting: 1,
  hand: 2,
  row: 3,
  occupant: 4,
  grownKib: 5,
  grownRow: 6,
  grownOccupant: 7,
  totalMicros: 8,
  firstRow: 9,
} as const;
/** Words per row. */
const ShareWord = { micros: 0, occupant: 1 } as const;
const SHARE_WORDS = 2;
const HoldWord = { watched: 0, firstRow: 1 } as const;

/** A worker, by its place on the board. */
export interface Place {
  readonly row: number;
  readonly occupant: number;
}

/** The memory, as passed to the lane. */
export interface LedgerMemory {
  readonly ledger: SharedArrayBuffer;
  readonly holds: SharedArrayBuffer;
}

/** @param rows number of rows with times; 0 for a dedicated lane */
export function newLedger(rows: number): LedgerMemory {
  return {
    ledger: new SharedArrayBuffer((Word.firstRow + rows * SHARE_WORDS) * Int32Array.BYTES_PER_ELEMENT),
    holds: new SharedArrayBuffer((HoldWord.firstRow + rows) * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** Whether the first of two occupants of a row came later; numbers restart at 1 after the largest. */
function isLater(occupant: number, than: number): boolean {
  return than === 0 || ((occupant - than) & 0x7fffffff) < 0x40000000;
}

/** A snapshot of a ledger's times. */
export class TimesCopy {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  get totalMicros(): number {
    return this.#words[Word.totalMicros] as number;
  }

  /** 0 before its first turn. */
  microsOf({ row, occupant }: Place): number {
    const at = Word.firstRow + row * SHARE_WORDS;
    return this.#words[at + ShareWord.occupant] === occupant ? (this.#words[at + ShareWord.micros] as number) : 0;
  }

  setMicros({ row, occupant }: Place, micros: number): void {
    const at = Word.firstRow + row * SHARE_WORDS;
    this.#words[at + ShareWord.micros] = micros;
    this.#words[at + ShareWord.occupant] = occupant;
  }
}

/** The lane's side. */
export class LedgerWriter {
  readonly #words: Int32Array;
  readonly #holds: Int32Array;

  constructor({ ledger, holds }: LedgerMemory) {
    this.#words = new Int32Array(ledger);
    this.#holds = new Int32Array(holds);
  }

  /** Whether time is counted per worker. */
  get countsTime(): boolean {
    return this.#words.length > Word.firstRow;
  }

  /** The thread runs for this worker from now on; undefined: for an unknown one. */
  takeUp(owner: Place | undefined): void {
    const words = this.#words;
    if (owner !== undefined) {
      Atomics.store(words, Word.row, owner.row);
      Atomics.store(words, Word.occupant, owner.occupant);
    }
    Atomics.store(words, Word.hand, owner === undefined ? Hand.nobodyKnown : Hand.worker);
    Atomics.add(words, Word.turns, 1);
    Atomics.store(words, Word.resting, 0);
  }

  layDown(): void {
    Atomics.store(this.#words, Word.resting, 1);
  }

  /** Adds time for this worker, whose row may have another occupant by now. */
  add({ row, occupant }: Place, micros: number): void {
    const words = this.#words;
    const at = Word.firstRow + row * SHARE_WORDS;
    if (at >= words.length) return;
    Atomics.add(words, Word.totalMicros, micros);
    const newest = Atomics.load(words, at + ShareWord.occupant);
    if (occupant === newest) {
      Atomics.add(words, at + ShareWord.micros, micros);
    } else if (isLater(occupant, newest)) {
      Atomics.store(words, at + ShareWord.micros, micros);
      Atomics.store(words, at + ShareWord.occupant, occupant);
    }
  }

  /** Whether heartbeats of the worker at this row must be left for another lane. */
  isHeld(row: number): boolean {
    const at = HoldWord.firstRow + row;
    return at < this.#holds.length && Atomics.load(this.#holds, at) !== 0;
  }

  /** Whether main requests attribution of memory growth. */
  get isWatched(): boolean {
    return Atomics.load(this.#holds, HoldWord.watched) !== 0;
  }

  /**
   * Sets the worker whose turns caused the most growth of the process's memory since watching began, and the amount.
   */
  setGrown(kib: number, { row, occupant }: Place): void {
    Atomics.store(this.#words, Word.grownRow, row);
    Atomics.store(this.#words, Word.grownOccupant, occupant);
    Atomics.store(this.#words, Word.grownKib, kib);
  }
}

/** Main's side. */
export class LedgerReader {
  readonly memory: LedgerMemory;
  readonly #words: Int32Array;
  readonly #holds: Int32Array;

  constructor(memory: LedgerMemory) {
    this.memory = memory;
    this.#words = new Int32Array(memory.ledger);
    this.#holds = new Int32Array(memory.holds);
  }

  /** Changes whenever a turn begins. */
  get turns(): number {
    return Atomics.load(this.#words, Word.turns);
  }

  /** Whether the thread is between turns. */
  get isResting(): boolean {
    return Atomics.load(this.#words, Word.resting) !== 0;
  }

  get hand(): Hand {
    return Atomics.load(this.#words, Word.hand) as Hand;
  }

  /** The worker of the current or last turn. */
  get owner(): Place {
    return { row: Atomics.load(this.#words, Word.row), occupant: Atomics.load(this.#words, Word.occupant) };
  }

  /** Time of all rows, modulo 2^32. */
  get totalMicros(): number {
    return Atomics.load(this.#words, Word.totalMicros);
  }

  /** Time of this worker, modulo 2^32; 0 before its first turn. */
  microsOf({ row, occupant }: Place): number {
    const at = Word.firstRow + row * SHARE_WORDS;
    // The owner is read first, since it is written last.
    if (Atomics.load(this.#words, at + ShareWord.occupant) !== occupant) return 0;
    return Atomics.load(this.#words, at + ShareWord.micros);
  }

  /** Takes a snapshot of the times. */
  copyTimes(): TimesCopy {
    return new TimesCopy(this.#words.slice());
  }

  /** Makes the lane leave heartbeats of the worker at this row, from the next one on. */
  hold(row: number, isHeld: boolean): void {
    const at = HoldWord.firstRow + row;
    if (at < this.#holds.length) Atomics.store(this.#holds, at, isHeld ? 1 : 0);
  }

  /** Makes the thread attribute memory growth. */
  watchMemory(isWatched: boolean): void {
    Atomics.store(this.#holds, HoldWord.watched, isWatched ? 1 : 0);
  }

  /** The worker whose turns caused the most growth of the process's memory, and the amount. */
  get grown(): { readonly kib: number; readonly owner: Place } {
    const words = this.#words;
    const owner = { row: Atomics.load(words, Word.grownRow), occupant: Atomics.load(words, Word.grownOccupant) };
    return { kib: Atomics.load(words, Word.grownKib), owner };
  }
}
