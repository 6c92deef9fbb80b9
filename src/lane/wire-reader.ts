/**
 * Reads protobuf's wire format as BinaryReader of @bufbuild/protobuf does, but makes no object per field: no tuple for
 * a tag, no array for a text, no BigInt for a count. A property test holds what is read to the library's result.
 *
 * Wire format: protobuf.dev/programming-guides/encoding.
 */
import { isUtf8 } from 'node:buffer';
import { MAX_GROUP_DEPTH } from '../model/protobuf.ts';

export const WireType = { varint: 0, fixed64: 1, lengthDelimited: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

const MAX_VARINT_BYTES = 10;
const TWO_TO_32 = 2 ** 32;

export class WireReader {
  /** The next byte to read. */
  at = 0;
  /** Where the message ends. */
  end: number;
  /** Of the tag that was read last. */
  wireType = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** Halves of the 64-bit varint that was read last. */
  #low = 0;
  #high = 0;

  /** Reads all of `bytes`, until a part of them is chosen. */
  constructor(bytes: Uint8Array) {
    const { buffer, byteOffset, length } = bytes;
    this.end = length;
    this.#bytes = Buffer.from(buffer, byteOffset, length);
    this.#view = new DataView(buffer, byteOffset, length);
  }

  /** Goes to the message that lies between `start` and `end`: one reader serves for many messages. */
  choose(start: number, end: number): void {
    this.at = start;
    this.end = end;
  }

  /** Reads a tag: its wire type into `wireType`. @returns the field's number. */
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

  /** Reads the length of a nested message. @returns where it ends, which may lie beyond `end`. */
  nestedEnd(): number {
    this.#expect(WireType.lengthDelimited);
    const length = this.#uint32();
    return this.at + length;
  }

  /** The text; `guess` itself if it reads so, which saves making the same text anew for every message. */
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
        if (!isUtf8(bytes.subarray(start, end))) throw new Error('it is not valid UTF-8');
        return bytes.toString('utf8', start, end);
      }
    }
    return bytes.toString('latin1', start, end);
  }

  /** Whether the first `length` of `bytes` lie at `start`, within the message. */
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

  /** The nearest number: above 2^53 not every one is exact. */
  uint64(): number {
    this.#varint64();
    return (this.#high >>> 0) * TWO_TO_32 + (this.#low >>> 0);
  }

  /** The nearest number. */
  int64(): number {
    this.#varint64();
    return this.#high * TWO_TO_32 + (this.#low >>> 0);
  }

  /** Passes over the value of a field that nobody asked for. */
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
        throw new Error('a group ends that did not start');
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

  /** Whether the bytes read as `text`; no for any that are not ASCII. */
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

  /** @returns where the `length` bytes start that are passed over. */
  #advance(length: number): number {
    const start = this.at;
    if (start + length > this.end) throw new Error('it ends too early');
    this.at = start + length;
    return start;
  }

  #byte(): number {
    if (this.at >= this.end) throw new Error('it ends too early');
    return this.#bytes[this.at++] as number;
  }

  /** Bits beyond the 32nd do not count. */
  #uint32(): number {
    const first = this.#byte();
    // Nearly every tag and length.
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let i = 1; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#byte();
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error('a varint of more than 10 bytes');
  }

  /** Bits beyond the 64th do not count. */
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
