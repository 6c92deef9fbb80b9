/**
 * One gzip member made of parts that are compressed by themselves, so that the compressed form of a part that has not changed can be
 * used again. Each part ends on a byte (an empty stored block, as `Z_SYNC_FLUSH` writes) and refers to no earlier one; the last block is an empty
 * one. See RFC 1951, section 3.2, and RFC 1952, section 2.3.
 */
import { constants, crc32, deflateRawSync } from 'node:zlib';

/** Deflate, no name, no time, the fastest level, Unix. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3);
/** A last block with fixed codes and nothing in it. */
const LAST_BLOCK = Uint8Array.of(3, 0);
/** For text that repeats itself as much as this one, higher levels take several times as long and save little. */
const LEVEL = 1;

export function compressedPart(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH });
}

/** @param compressed of {@link compressedPart}, for parts that together are `plain` */
export function gzipMember(compressed: readonly Uint8Array[], plain: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let check = 0;
  let length = 0;
  for (const bytes of plain) {
    check = crc32(bytes, check);
    length += bytes.length;
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(check, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  return joined([HEADER, ...compressed, LAST_BLOCK, trailer]);
}

/** In memory of its own, so that it can be transferred to another thread. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
