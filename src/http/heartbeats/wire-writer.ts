/**
 * Writes protobuf messages into one growing buffer. A nested message is written in place: its length takes one byte, and
 * its bytes move up in the rare case that it needs more.
 *
 * Wire format: protobuf.dev/programming-guides/encoding.
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
/** A varint of 64 bits. */
const MAX_VARINT_BYTES = 10;
/** Tags of fields up to 2047. */
const MAX_TAG_BYTES = 2;
const FIRST_BYTES = 16 * 1024;
/** Below this length a loop is faster than a call of the runtime. */
const SHORT_TEXT_BYTES = 48;

export class WireWriter {
  /** Where the next byte goes. */
  at = 0;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #numbers = new DataView(this.#bytes.buffer);

  /** What was written since `from`; valid until the next write. */
  view(from: number): Buffer {
    return this.#bytes.subarray(from, this.at);
  }

  /** A copy. */
  copy(from = 0): Buffer {
    return Buffer.from(this.#bytes.subarray(from, this.at));
  }

  /** Begins anew; frees memory beyond `mostKept`. */
  clear(mostKept: number): void {
    this.at = 0;
    if (this.#bytes.length > mostKept) this.#useMemory(Buffer.allocUnsafeSlow(FIRST_BYTES));
  }

  append(bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from);
    this.#put(bytes, from, to);
  }

  double(field: number, value: number): void {
    this.#reserve(MAX_TAG_BYTES + 8);
    this.#tag(field, FIXED64);
    this.#numbers.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** @param value a safe integer; negative ones take ten bytes, as int32 and int64 do */
  integer(field: number, value: number): void {
    this.#reserve(MAX_TAG_BYTES + MAX_VARINT_BYTES);
    this.#tag(field, VARINT);
    if (value >= 0) this.#varint(value);
    else this.#negative(value);
  }

  /** A string or bytes: those of `source` from `from` to `to`. */
  text(field: number, source: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.#reserve(MAX_TAG_BYTES + MAX_VARINT_BYTES + length);
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(length);
    this.#put(source, from, to);
  }

  /** Begins a nested message. @returns what {@link end} needs */
  begin(field: number): number {
    this.#reserve(MAX_TAG_BYTES + 1);
    this.#tag(field, LENGTH_DELIMITED);
    return ++this.at;
  }

  /** Ends the nested message that began at `start`. */
  end(start: number): void {
    const length = this.at - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    const more = varintBytes(length) - 1;
    this.#reserve(more);
    this.#bytes.copyWithin(start + more, start, this.at);
    const after = this.at + more;
    this.at = start - 1;
    this.#varint(length);
    this.at = after;
  }

  #tag(field: number, wireType: number): void {
    const tag = field * 8 + wireType;
    if (tag < 0x80) {
      this.#bytes[this.at++] = tag;
      return;
    }
    this.#bytes[this.at++] = (tag & 0x7f) | 0x80;
    this.#bytes[this.at++] = tag >>> 7;
  }

  #varint(value: number): void {
    let left = value;
    while (left >= 0x80) {
      this.#bytes[this.at++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    this.#bytes[this.at++] = left;
  }

  /** As two's complement of 64 bits. */
  #negative(value: number): void {
    let left = BigInt.asUintN(64, BigInt(value));
    while (left >= 0x80n) {
      this.#bytes[this.at++] = Number(left & 0x7fn) | 0x80;
      left >>= 7n;
    }
    this.#bytes[this.at++] = Number(left);
  }

  #put(source: Uint8Array, from: number, to: number): void {
    if (to - from > SHORT_TEXT_BYTES) {
      this.#bytes.set(source.subarray(from, to), this.at);
      this.at += to - from;
      return;
    }
    for (let index = from; index < to; index++) this.#bytes[this.at++] = source[index] as number;
  }

  #reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.at));
    this.#useMemory(larger);
  }

  #useMemory(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#numbers = new DataView(bytes.buffer);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left >= 0x80; left = Math.floor(left / 0x80)) bytes++;
  return bytes;
}
