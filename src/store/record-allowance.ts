/**
 * Publishes to every lane how large records may be and for how long samples are kept: four words in shared memory,
 * written only by the main thread. Each is consistent by itself; a lane may see a change a moment late.
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
  /** How long each worker's ring keeps samples, in ms; 0: no samples. Written once. */
  sampleSpanMs: 3,
} as const;
const WORDS = 4;

export interface RecordLimits {
  readonly maxRecordBytes: number;
  readonly maxCapacityBytes: number;
  readonly isShort: boolean;
}

export interface RecordAllowance extends RecordLimits {
  readonly sampleSpanMs: number;
}

/** For a slot outside a fleet. */
export const UNLIMITED: RecordAllowance = {
  maxRecordBytes: Number.POSITIVE_INFINITY,
  maxCapacityBytes: Number.POSITIVE_INFINITY,
  isShort: false,
  sampleSpanMs: 0,
};

export function newAllowance(sampleSpanMs: number): AllowanceMemory {
  const memory = new SharedArrayBuffer(WORDS * WORD_BYTES);
  Atomics.store(new Int32Array(memory), Word.sampleSpanMs, sampleSpanMs);
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
}

export class AllowanceReader implements RecordAllowance {
  /** Written once, before the memory is passed on. */
  readonly sampleSpanMs: number;
  readonly #words: Int32Array;

  constructor(memory: AllowanceMemory) {
    this.#words = new Int32Array(memory);
    this.sampleSpanMs = Atomics.load(this.#words, Word.sampleSpanMs);
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
}
