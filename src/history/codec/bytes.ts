/** Bytes written and read in order: single bytes, variable-length numbers, parts of known length. */
import { HistoryError } from '../history-error.ts';

const FIRST_BYTES = 4096;
const SEVEN_BITS = 128;

export function damaged(what: string): HistoryError {
  return new HistoryError('damaged', what);
}

export class ByteWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** An integer from 0 to 2^53, seven bits a byte, the lowest first; the top bit says that more follow. */
  uint(value: number): void {
    let rest = value;
    while (rest >= SEVEN_BITS) {
      this.byte((rest % SEVEN_BITS) + SEVEN_BITS);
      rest = Math.floor(rest / SEVEN_BITS);
    }
    this.byte(rest);
  }

  /** An integer of -2^53 to 2^53: the sign first, so that small ones stay short. */
  int(value: number): void {
    const size = Math.abs(value);
    this.byte((size % 64) + (value < 0 ? 64 : 0) + (size >= 64 ? SEVEN_BITS : 0));
    if (size >= 64) this.uint(Math.floor(size / 64));
  }

  float(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(part: Uint8Array): void {
    this.#reserve(part.length);
    this.#bytes.set(part, this.#length);
    this.#length += part.length;
  }

  /** The next bytes, all 0, for the caller to fill before it writes anything else. */
  room(length: number): Uint8Array {
    this.#reserve(length);
    this.#length += length;
    return this.#bytes.subarray(this.#length - length, this.#length);
  }

  /** A copy: the writer may go on. */
  written(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Reads what {@link ByteWriter} wrote. Whatever goes beyond the end or the bounds throws `HistoryError('damaged')`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw damaged('it ends too early');
    return value;
  }

  uint(max: number): number {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte % SEVEN_BITS) * unit;
      if (value > max) throw damaged(`a number is larger than ${max}`);
      if (byte < SEVEN_BITS) return value;
      unit *= SEVEN_BITS;
      // Further bytes could only be zeros: nothing writes them.
      if (unit > Number.MAX_SAFE_INTEGER) throw damaged('a number is too long');
    }
  }

  int(): number {
    const byte = this.byte();
    const high = byte >= SEVEN_BITS ? this.uint(MAX_INT / 64) : 0;
    const size = (byte % 64) + high * 64;
    return byte % SEVEN_BITS >= 64 ? -size : size;
  }

  float(): number {
    const part = this.bytes(8);
    return new DataView(part.buffer, part.byteOffset).getFloat64(0, true);
  }

  /** A reader of the next bytes alone. */
  part(length: number): ByteReader {
    return new ByteReader(this.bytes(length));
  }

  /** All that is left, without taking it. */
  remaining(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw damaged('it ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Every integer up to this one has a double of its own. */
export const MAX_INT = 2 ** 53;
