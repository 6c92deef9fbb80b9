/**
 * What encloses every blob: its version, and a checksum over all of it.
 *
 *     blob   version (byte) | CRC-32 of the version and the content (4 bytes, little-endian) | content
 *
 * A changed byte is always noticed, since a CRC-32 detects every error of up to 32 neighbouring bits. A blob is damaged as a
 * whole: checksums for each column would cost 1 % of all bytes, and damage on disk takes whole pages.
 */
import { crc32 } from 'node:zlib';
import { HistoryError } from '../history-error.ts';
import { ByteReader, damaged } from './bytes.ts';

const CONTENT = 5;

export function sealed(version: number, content: Uint8Array): Uint8Array {
  const blob = new Uint8Array(CONTENT + content.length);
  blob[0] = version;
  blob.set(content, CONTENT);
  new DataView(blob.buffer).setUint32(1, checksumOf(blob), true);
  return blob;
}

/** @throws HistoryError damaged, or newer if it is whole and its version unknown */
export function unsealed(blob: Uint8Array, version: number, what: string): ByteReader {
  if (blob.length <= CONTENT) throw damaged(`${what} of ${blob.length} bytes is too short`);
  const stored = new DataView(blob.buffer, blob.byteOffset).getUint32(1, true);
  if (stored !== checksumOf(blob)) throw damaged(`the checksum of ${what} is wrong`);
  if (blob[0] !== version) throw new HistoryError('newer', `${what} has the unknown version ${blob[0]}`);
  return new ByteReader(blob, CONTENT);
}

function checksumOf(blob: Uint8Array): number {
  return crc32(blob.subarray(CONTENT), crc32(blob.subarray(0, 1)));
}
