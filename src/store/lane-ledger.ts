/**
 * For whom a lane with a processor runs code, and how long it has done so for each worker. A word in shared memory says so
 * even of a thread that loops for ever or is gone, which a message does not.
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
 * Roles: the lane's thread alone writes the ledger, and each thread gets a new one; main alone writes the holds. Counts wrap;
 * what counts are differences. The µs of a row are its newest occupant's, and begin with its first turn; what is left to do for
 * earlier ones counts in the total alone. While the thread rests, the other words tell of its last turn. Main may see a turn that is
 * just beginning or ending; when the thread is dead, what stands there stands.
 */

/** For whom the thread runs, or has run last. */
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
/** Of each row. */
const ShareWord = { micros: 0, occupant: 1 } as const;
const SHARE_WORDS = 2;
const HoldWord = { watched: 0, firstRow: 1 } as const;

/** A worker, by its place on the board. */
export interface Place {
  readonly row: number;
  readonly occupant: number;
}

/** The memory itself, as it is handed to the lane. */
export interface LedgerMemory {
  readonly ledger: SharedArrayBuffer;
  readonly holds: SharedArrayBuffer;
}

/** @param rows on the board whose time is counted; 0: of none, since there is one worker alone */
export function newLedger(rows: number): LedgerMemory {
  return {
    ledger: new SharedArrayBuffer((Word.firstRow + rows * SHARE_WORDS) * Int32Array.BYTES_PER_ELEMENT),
    holds: new SharedArrayBuffer((HoldWord.firstRow + rows) * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** Whether of two occupants of a row, whose numbers begin anew after the largest, the first came later. */
function isLater(occupant: number, than: number): boolean {
  return than === 0 || ((occupant - than) & 0x7fffffff) < 0x40000000;
}

/** The times of a ledger at a moment. */
export class TimesCopy {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  get totalMicros(): number {
    return this.#words[Word.totalMicros] as number;
  }

  /** 0 if it had had no turn yet. */
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

  /** Whether the time of each worker is counted. */
  get countsTime(): boolean {
    return this.#words.length > Word.firstRow;
  }

  /** From here on the thread runs for this worker; undefined: for nobody who is known. */
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

  /** The thread has worked for this worker, which may have left its row to another. */
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

  /** Whether heartbeats of the worker at this row are to be left for another lane. */
  isHeld(row: number): boolean {
    const at = HoldWord.firstRow + row;
    return at < this.#holds.length && Atomics.load(this.#holds, at) !== 0;
  }

  /** Whether it is to be told for whom the process's memory grows. */
  get isWatched(): boolean {
    return Atomics.load(this.#holds, HoldWord.watched) !== 0;
  }

  /** What the process's memory has grown by during the turns of the worker that has most of it, since it is watched. */
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

  /** Moves whenever the thread begins to run for somebody. */
  get turns(): number {
    return Atomics.load(this.#words, Word.turns);
  }

  /** Whether it runs for nobody at all. */
  get isResting(): boolean {
    return Atomics.load(this.#words, Word.resting) !== 0;
  }

  get hand(): Hand {
    return Atomics.load(this.#words, Word.hand) as Hand;
  }

  /** For whom it runs, or has run last. */
  get owner(): Place {
    return { row: Atomics.load(this.#words, Word.row), occupant: Atomics.load(this.#words, Word.occupant) };
  }

  /** For all rows together, modulo 2^32. */
  get totalMicros(): number {
    return Atomics.load(this.#words, Word.totalMicros);
  }

  /** For this worker, modulo 2^32; 0 before its first turn. */
  microsOf({ row, occupant }: Place): number {
    const at = Word.firstRow + row * SHARE_WORDS;
    // Whose it is is looked at first, since it is written last.
    if (Atomics.load(this.#words, at + ShareWord.occupant) !== occupant) return 0;
    return Atomics.load(this.#words, at + ShareWord.micros);
  }

  /** What is counted at this moment. */
  copyTimes(): TimesCopy {
    return new TimesCopy(this.#words.slice());
  }

  /** Has the lane leave heartbeats of the worker at this row where they are, from the next one on. */
  hold(row: number, isHeld: boolean): void {
    const at = HoldWord.firstRow + row;
    if (at < this.#holds.length) Atomics.store(this.#holds, at, isHeld ? 1 : 0);
  }

  /** Has the thread tell for whom the process's memory grows. */
  watchMemory(isWatched: boolean): void {
    Atomics.store(this.#holds, HoldWord.watched, isWatched ? 1 : 0);
  }

  /** What the process's memory has grown by during the turns of the worker that has most of it, and who that is. */
  get grown(): { readonly kib: number; readonly owner: Place } {
    const words = this.#words;
    const owner = { row: Atomics.load(words, Word.grownRow), occupant: Atomics.load(words, Word.grownOccupant) };
    return { kib: Atomics.load(words, Word.grownKib), owner };
  }
}
