/** Writes protobuf's wire format into one buffer, which is used again for each message. See https://protobuf.dev/programming-guides/encoding */

const FIRST_BYTES = 256 * 1024;

export class MessageWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = 0;

  get length(): number {
    return this.#at;
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

  /** @param value a whole number from 0 to 2^31 */
  varint(value: number): void {
    let rest = value;
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

  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    // Short texts are copied faster by hand than by a call.
    if (length > 96) {
      this.#bytes.set(bytes, this.#at);
      this.#at += length;
      return;
    }
    for (let n = 0; n < length; n++) this.#bytes[this.#at++] = bytes[n] as number;
  }

  /** What was written, as a copy; the next message begins. */
  take(): Buffer {
    const message = Buffer.from(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    return message;
  }
}

/** @param value a whole number from 0 to 2^31 */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  return 5;
}
