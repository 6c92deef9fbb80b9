/**
 * A plane: one byte of each number of a column, such as all their lowest bytes. Each is compressed by itself, since high bytes
 * are much alike and low bytes are not.
 *
 *     plane   one byte how, then
 *             0  all bytes are the same    that byte
 *             1  as they are               a byte for each number
 *             2  zstd                      length (uint), the frame without its magic number
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

const SAME = 0;
const STORED = 1;
const ZSTD = 2;

/** Level 3: 19 gains 1 % and takes 20 times as long. The blob has a checksum of its own. */
const COMPRESSION = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_contentSizeFlag]: 0,
    [constants.ZSTD_c_checksumFlag]: 0,
  },
};
const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** A zstd frame is never much longer than what it holds. */
const MAX_FRAME_OVERHEAD = 64;

export function writePlane(writer: ByteWriter, plane: Uint8Array): void {
  const first = plane[0] as number;
  if (plane.every((byte) => byte === first)) {
    writer.byte(SAME);
    writer.byte(first);
    return;
  }
  const frame = zstdCompressSync(plane, COMPRESSION).subarray(MAGIC.length);
  if (frame.length + 2 < plane.length) {
    writer.byte(ZSTD);
    writer.uint(frame.length);
    writer.bytes(frame);
  } else {
    writer.byte(STORED);
    writer.bytes(plane);
  }
}

export function readPlane(reader: ByteReader, count: number): Uint8Array {
  const how = reader.byte();
  if (how === SAME) return new Uint8Array(count).fill(reader.byte());
  if (how === STORED) return reader.bytes(count);
  if (how !== ZSTD) throw damaged(`a plane is of the unknown kind ${how}`);
  const frame = reader.bytes(reader.uint(count + MAX_FRAME_OVERHEAD));
  let plane: Uint8Array;
  try {
    plane = zstdDecompressSync(Buffer.concat([MAGIC, frame]), { maxOutputLength: count });
  } catch (error) {
    throw damaged(`a plane cannot be decompressed: ${(error as Error).message}`);
  }
  if (plane.length !== count) throw damaged('a plane has another length than its column');
  return plane;
}
