/** Writes protobuf's wire format into one buffer, which is used again for each message. See https://protobuf.dev/programming-guides/encoding */
import { MAX_SNAPPY_HEADER_BYTES, writeSnappyHeader } from './snappy.ts';

const FIRST_BYTES = 256 * 1024;

export class ProtoWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = MAX_SNAPPY_HEADER_BYTES;

  begin(): void {
    this.#at = MAX_SNAPPY_HEADER_BYTES;
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
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
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

  /** The whole message as a block of Snappy; a copy. */
  snappy(): Buffer {
    const from = writeSnappyHeader(this.#bytes, MAX_SNAPPY_HEADER_BYTES, this.#at - MAX_SNAPPY_HEADER_BYTES);
    return Buffer.from(this.#bytes.subarray(from, this.#at));
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
