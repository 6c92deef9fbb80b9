/**
 * Publishes to every lane how large records may be and for how long samples are kept: words in shared memory, written only by
 * the main thread. Each is consistent by itself; a lane may see a change a moment late.
 */
import { WORD_BYTES } from './layout.ts';

export type AllowanceMemory = SharedArrayBuffer;

const Word = {
  /** Maximum size of a record's JSON, in bytes; constant. */
  maxRecordBytes: 0,
  /** Current maximum capacity for JSON of a slot, in bytes. */
  maxCapacityBytes: 1,
  /** 1 while memory is short: slots shrink as early as possible. */
  isShort: 2,
  /** How long each worker's ring keeps samples, in ms; 0: no samples. */
  sampleSpanMs: 3,
  /** 1 while that is less than wanted, for lack of memory: rings shrink as early as possible. */
  areRingsShort: 4,
  /** By how many bytes one ring may grow at once. */
  ringRoomBytes: 5,
  /** Maximum number of columns for metrics of one worker; constant. */
  metricColumns: 6,
} as const;
const WORDS = 7;
/** Words are signed. */
const MOST_WORD = 2 ** 31 - 1;

export interface RecordLimits {
  readonly maxRecordBytes: number;
  readonly maxCapacityBytes: number;
  readonly isShort: boolean;
}

export interface RingLimits {
  readonly sampleSpanMs: number;
  readonly areRingsShort: boolean;
  readonly ringRoomBytes: number;
}

export interface RecordAllowance extends RecordLimits, RingLimits {
  readonly metricColumns: number;
}

/** For a slot outside a fleet. */
export const UNLIMITED: RecordAllowance = {
  maxRecordBytes: Number.POSITIVE_INFINITY,
  maxCapacityBytes: Number.POSITIVE_INFINITY,
  isShort: false,
  sampleSpanMs: 0,
  areRingsShort: false,
  ringRoomBytes: Number.POSITIVE_INFINITY,
  metricColumns: 64,
};

export function newAllowance(metricColumns: number): AllowanceMemory {
  const memory = new SharedArrayBuffer(WORDS * WORD_BYTES);
  Atomics.store(new Int32Array(memory), Word.metricColumns, metricColumns);
  return memory;
}

export class AllowanceWriter {
  readonly #words: Int32Array;

  constructor(memory: AllowanceMemory) {
    this.#words = new Int32Array(memory);
  }

  allow({ maxRecordBytes, maxCapacityBytes, isShort }: RecordLimits): void {
    Atomics.store(this.#words, Word.maxRecordBytes, maxRecordBytes);
    Atomics.store(this.#words, Word.maxCapacityBytes, maxCapacityBytes);
    Atomics.store(this.#words, Word.isShort, isShort ? 1 : 0);
  }

  allowRings({ sampleSpanMs, areRingsShort, ringRoomBytes }: RingLimits): void {
    Atomics.store(this.#words, Word.sampleSpanMs, sampleSpanMs);
    Atomics.store(this.#words, Word.areRingsShort, areRingsShort ? 1 : 0);
    Atomics.store(this.#words, Word.ringRoomBytes, Math.min(MOST_WORD, ringRoomBytes));
  }
}

export class AllowanceReader implements RecordAllowance {
  /** Written once, before the memory is passed on. */
  readonly metricColumns: number;
  readonly #words: Int32Array;

  constructor(memory: AllowanceMemory) {
    this.#words = new Int32Array(memory);
    this.metricColumns = Atomics.load(this.#words, Word.metricColumns);
  }

  get maxRecordBytes(): number {
    return Atomics.load(this.#words, Word.maxRecordBytes);
  }

  get maxCapacityBytes(): number {
    return Atomics.load(this.#words, Word.maxCapacityBytes);
  }

  get isShort(): boolean {
    return Atomics.load(this.#words, Word.isShort) === 1;
  }

  get sampleSpanMs(): number {
    return Atomics.load(this.#words, Word.sampleSpanMs);
  }

  get areRingsShort(): boolean {
    return Atomics.load(this.#words, Word.areRingsShort) === 1;
  }

  get ringRoomBytes(): number {
    return Atomics.load(this.#words, Word.ringRoomBytes);
  }
}
