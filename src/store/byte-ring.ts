/**
 * A ring buffer in shared memory that carries bytes from one thread to another, in order, without system calls. Main
 * writes, one lane reads; each of the two words has one writer.
 *
 *     0         4        8 …
 *     ┌─────────┬────────┬──────────────────────────────────┐
 *     │ written │ taken  │ bytes, from the start when full  │
 *     └─────────┴────────┴──────────────────────────────────┘
 *
 * `written` and `taken` are byte counts that wrap as unsigned 32-bit words; their difference is the content of the
 * ring. Bytes are stored before `written` is increased, and are not overwritten before `taken` is.
 *
 * An abandoned thread may continue to read its ring, so each thread gets a new one.
 */

/** The memory, as passed to the reader. */
export type ByteRing = SharedArrayBuffer;

const WRITTEN = 0;
const TAKEN = 1;
const HEADER_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT;

/** Position of a writer or reader: number of bytes before it, modulo 2^32. */
export type RingPosition = number;

/**
 * @param capacity in bytes, a power of two, since positions wrap
 * @param position initial position
 */
export function newByteRing(capacity: number, position: RingPosition = 0): ByteRing {
  const ring = new SharedArrayBuffer(HEADER_BYTES + capacity);
  new Int32Array(ring).fill(position, WRITTEN, TAKEN + 1);
  return ring;
}

export class RingWriter {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #written: RingPosition;

  constructor(ring: ByteRing) {
    this.#words = new Int32Array(ring, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#written = Atomics.load(this.#words, WRITTEN) >>> 0;
    this.#bytes = new Uint8Array(ring, HEADER_BYTES);
  }

  /** Position after everything written. */
  get position(): RingPosition {
    return this.#written;
  }

  /** @returns whether there was room; if not, nothing was written */
  write(bytes: Uint8Array): boolean {
    const capacity = this.#bytes.length;
    const kept = (this.#written - Atomics.load(this.#words, TAKEN)) >>> 0;
    if (bytes.length > capacity - kept) return false;
    const at = this.#written % capacity;
    const untilEnd = capacity - at;
    if (bytes.length <= untilEnd) this.#bytes.set(bytes, at);
    else {
      this.#bytes.set(bytes.subarray(0, untilEnd), at);
      this.#bytes.set(bytes.subarray(untilEnd), 0);
    }
    this.#written = (this.#written + bytes.length) >>> 0;
    Atomics.store(this.#words, WRITTEN, this.#written | 0);
    return true;
  }
}

export class RingReader {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #taken: RingPosition;

  constructor(ring: ByteRing) {
    this.#words = new Int32Array(ring, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#taken = Atomics.load(this.#words, TAKEN) >>> 0;
    this.#bytes = new Uint8Array(ring, HEADER_BYTES);
  }

  /** The writer's position. */
  get written(): RingPosition {
    return Atomics.load(this.#words, WRITTEN) >>> 0;
  }

  /**
   * Takes everything before `end`; undefined if that was taken already. @param end a value of `written`, or of the
   * writer's position
   */
  takeUpTo(end: RingPosition): ArrayBuffer | undefined {
    const length = (end - this.#taken) | 0;
    if (length <= 0) return undefined;
    const capacity = this.#bytes.length;
    const at = this.#taken % capacity;
    const taken = new Uint8Array(length);
    const untilEnd = Math.min(length, capacity - at);
    taken.set(this.#bytes.subarray(at, at + untilEnd));
    if (untilEnd < length) taken.set(this.#bytes.subarray(0, length - untilEnd), untilEnd);
    this.#taken = end;
    Atomics.store(this.#words, TAKEN, end | 0);
    return taken.buffer;
  }
}
