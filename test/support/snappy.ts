/** Snappy's block format by another library, which has no types. */
import { createRequire } from 'node:module';

const { uncompress } = createRequire(import.meta.url)('snappyjs') as { uncompress: (block: Uint8Array) => Uint8Array };

/** @throws Error if the block is damaged */
export function unpacked(block: Uint8Array): Uint8Array {
  return new Uint8Array(uncompress(block));
}
