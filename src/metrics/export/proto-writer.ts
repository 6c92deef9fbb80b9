/** Writes protobuf's wire format into one buffer, which is used again for each message. See https://protobuf.dev/programming-guides/encoding */

const FIRST_BYTES = 256 * 1024;

export class ProtoWriter {
  readonly #headroom: number;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at: number;

  /** @param headroom bytes that are kept free before the message, for the header of `take` */
  constructor(headroom = 0) {
    this.#headroom = headroom;
    this.#at = headroom;
  }

  /** Forgets what was written since `take`. */
  begin(): void {
    this.#at = this.#headroom;
  }

  get length(): number {
    return this.#at - this.#headroom;
  }

  /** Call it before writing up to so many bytes. */
  reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** @param value a whole number from 0 to 2^53 */
  varint(value: number): void {
    let rest = value;
    // Bit operations know 32 bits only.
    while (rest > 0x7fff_ffff) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  double(value: number): void {
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** `fixed64` or `sfixed64`. @param value a whole number of at most 2^53 */
  fixed64(value: number): void {
    this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at);
    this.#at = this.#bytes.writeInt32LE(Math.floor(value / 2 ** 32), this.#at);
  }

  raw(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const length = to - from;
    // Short texts are copied faster by hand than by a call.
    if (length > 96) {
      this.#bytes.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#at);
      this.#at += length;
      return;
    }
    for (let n = from; n < to; n++) this.#bytes[this.#at++] = bytes[n] as number;
  }

  /**
   * What was written, as a copy; the next message begins.
   * @param writeHeader writes, so that it ends just before `at`, what precedes `length` bytes; returns where it begins
   */
  take(writeHeader?: (into: Buffer, at: number, length: number) => number): Buffer {
    const from = writeHeader?.(this.#bytes, this.#headroom, this.length) ?? this.#headroom;
    const message = Buffer.from(this.#bytes.subarray(from, this.#at));
    this.begin();
    return message;
  }
}

/** @param value a whole number from 0 to 2^53 */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let bytes = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
