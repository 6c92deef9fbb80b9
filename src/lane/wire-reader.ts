/**
 * Reads protobuf's wire format like BinaryReader of @bufbuild/protobuf, but without allocating per field: no tuple for
 * a tag, no array for a string, no BigInt for an integer. A property test compares it with the library.
 *
 * Wire format: protobuf.dev/programming-guides/encoding.
 */
import { isUtf8 } from 'node:buffer';
import { MAX_GROUP_DEPTH } from '../model/protobuf.ts';

export const WireType = { varint: 0, fixed64: 1, lengthDelimited: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

const MAX_VARINT_BYTES = 10;
const TWO_TO_32 = 2 ** 32;

export class WireReader {
  /** Offset of the next byte to read. */
  at = 0;
  /** End of the message. */
  end: number;
  /** Wire type of the last tag. */
  wireType = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** Halves of the last 64-bit varint. */
  #low = 0;
  #high = 0;

  /** Reads all of `bytes`, unless `choose` selects a part. */
  constructor(bytes: Uint8Array) {
    const { buffer, byteOffset, length } = bytes;
    this.end = length;
    this.#bytes = Buffer.from(buffer, byteOffset, length);
    this.#view = new DataView(buffer, byteOffset, length);
  }

  /** Selects the message between `start` and `end`, so that one reader serves many messages. */
  choose(start: number, end: number): void {
    this.at = start;
    this.end = end;
  }

  /** Reads a tag and sets `wireType`. @returns the field number */
  tag(): number {
    const start = this.at;
    const tag = this.#uint32();
    const length = this.at - start;
    if (length > 5 || (length === 5 && (this.#bytes[this.at - 1] as number) > 0x0f)) {
      throw new Error('a field number of more than 29 bits');
    }
    const field = tag >>> 3;
    this.wireType = tag & 7;
    if (field === 0 || this.wireType > WireType.fixed32) {
      throw new Error(`field number ${field} with wire type ${this.wireType}`);
    }
    return field;
  }

  /** Reads the length of a nested message. @returns its end, which may be beyond `end` */
  nestedEnd(): number {
    this.#expect(WireType.lengthDelimited);
    const length = this.#uint32();
    return this.at + length;
  }

  /**
   * Reads a string. Returns `guess` itself if it is equal, which saves allocating the same string for every message.
   */
  stringLike(guess: string): string {
    const start = this.at;
    const end = this.nestedEnd();
    if (end <= this.end && this.#isAscii(guess, this.at, end)) {
      this.at = end;
      return guess;
    }
    this.at = start;
    return this.string();
  }

  string(): string {
    const end = this.nestedEnd();
    const start = this.#advance(end - this.at);
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) {
      if ((bytes[at] as number) > 0x7f) {
        if (!isUtf8(bytes.subarray(start, end))) throw new Error('not valid UTF-8');
        return bytes.toString('utf8', start, end);
      }
    }
    return bytes.toString('latin1', start, end);
  }

  /** Whether the first `length` bytes of `bytes` are at `start`, within the message. */
  holds(start: number, bytes: Buffer, length: number): boolean {
    const end = start + length;
    return end <= this.end && this.#bytes.compare(bytes, 0, length, start, end) === 0;
  }

  copy(target: Buffer, start: number, end: number): void {
    this.#bytes.copy(target, 0, start, end);
  }

  double(): number {
    this.#expect(WireType.fixed64);
    return this.#view.getFloat64(this.#advance(8), true);
  }

  uint32(): number {
    this.#expect(WireType.varint);
    return this.#uint32();
  }

  /** Returns the nearest number: above 2^53, not every integer is exact. */
  uint64(): number {
    this.#varint64();
    return (this.#high >>> 0) * TWO_TO_32 + (this.#low >>> 0);
  }

  /** Returns the nearest number. */
  int64(): number {
    this.#varint64();
    return this.#high * TWO_TO_32 + (this.#low >>> 0);
  }

  /** Skips the value of an unknown field. */
  skip(field: number, depth = 0): void {
    switch (this.wireType) {
      case WireType.varint:
        while (this.#byte() >= 0x80);
        return;
      case WireType.fixed64:
        this.#advance(8);
        return;
      case WireType.lengthDelimited:
        this.#advance(this.#uint32());
        return;
      case WireType.fixed32:
        this.#advance(4);
        return;
      case WireType.startGroup:
        this.#skipGroup(field, depth);
        return;
      default:
        throw new Error('end of a group that was not started');
    }
  }

  #skipGroup(group: number, depth: number): void {
    if (depth >= MAX_GROUP_DEPTH) throw new Error('groups are nested too deep');
    for (;;) {
      const field = this.tag();
      if (this.wireType === WireType.endGroup) {
        if (field !== group) throw new Error(`group ${group} ends as ${field}`);
        return;
      }
      this.skip(field, depth + 1);
    }
  }

  /** Whether the bytes equal `text`; false for non-ASCII text. */
  #isAscii(text: string, start: number, end: number): boolean {
    if (text.length !== end - start) return false;
    for (let i = 0; i < text.length; i++) {
      const byte = this.#bytes[start + i] as number;
      if (byte > 0x7f || byte !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) throw new Error(`wire type ${this.wireType}, expected ${wireType}`);
  }

  /** @returns the start of the `length` skipped bytes */
  #advance(length: number): number {
    const start = this.at;
    if (start + length > this.end) throw new Error('unexpected end of message');
    this.at = start + length;
    return start;
  }

  #byte(): number {
    if (this.at >= this.end) throw new Error('unexpected end of message');
    return this.#bytes[this.at++] as number;
  }

  /** Bits above the 32nd are ignored. */
  #uint32(): number {
    const first = this.#byte();
    // Nearly all tags and lengths.
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let i = 1; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#byte();
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error('a varint of more than 10 bytes');
  }

  /** Bits above the 64th are ignored. */
  #varint64(): void {
    this.#expect(WireType.varint);
    let low = 0;
    let high = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#byte();
      if (i < 5) low |= (byte & 0x7f) << (7 * i);
      if (i === 4) high = (byte & 0x7f) >> 4;
      else if (i > 4) high |= (byte & 0x7f) << (7 * i - 32);
      if (byte < 0x80) {
        this.#low = low;
        this.#high = high;
        return;
      }
    }
    throw new Error('a varint of more than 10 bytes');
  }
}
