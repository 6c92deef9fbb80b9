/**
 * How large records may be, told to every lane through shared memory: three words, changed by the main thread alone, which
 * counts the memory. Each is whole by itself; a lane may see one a moment late.
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
} as const;
const WORDS = 3;

export interface RecordAllowance {
  readonly maxRecordBytes: number;
  readonly maxCapacityBytes: number;
  readonly isShort: boolean;
}

/** For a slot that is nobody else's business. */
export const UNLIMITED: RecordAllowance = {
  maxRecordBytes: Number.POSITIVE_INFINITY,
  maxCapacityBytes: Number.POSITIVE_INFINITY,
  isShort: false,
};

export function newAllowance(): AllowanceMemory {
  return new SharedArrayBuffer(WORDS * WORD_BYTES);
}

export class AllowanceWriter {
  readonly #words: Int32Array;

  constructor(memory: AllowanceMemory) {
    this.#words = new Int32Array(memory);
  }

  allow({ maxRecordBytes, maxCapacityBytes, isShort }: RecordAllowance): void {
    Atomics.store(this.#words, Word.maxRecordBytes, maxRecordBytes);
    Atomics.store(this.#words, Word.maxCapacityBytes, maxCapacityBytes);
    Atomics.store(this.#words, Word.isShort, isShort ? 1 : 0);
  }
}

export class AllowanceReader implements RecordAllowance {
  readonly #words: Int32Array;

  constructor(memory: AllowanceMemory) {
    this.#words = new Int32Array(memory);
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
