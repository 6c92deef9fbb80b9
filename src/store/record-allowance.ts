/**
 * How large records may be, and for how long samples are kept, told to every lane through shared memory: four words, changed
 * by the main thread alone, which counts the memory. Each is whole by itself; a lane may see one a moment late.
 */
import { WORD_BYTES } from './layout.ts';

export type AllowanceMemory = SharedArrayBuffer;

const Word = {
  /** Bytes of JSON that a record may have at most, ever. */
  maxRecordBytes: 0,
  /** Bytes of JSON that a slot may be made to hold just now. */
  maxCapacityBytes: 1,
  /** 1 while memory is short: slots shrink as soon as they can. */
  isShort: 2,
  /** For so long each worker's ring keeps samples; 0: nobody reads them. Written once. */
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

/** For a slot that is nobody else's business. */
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
  /** Written once, before the memory is handed to anybody. */
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
