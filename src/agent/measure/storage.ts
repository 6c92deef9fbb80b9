/** Space in use on the root file system, by one system call: running `df` every few seconds would be a process each. */
import { statfs } from 'node:fs/promises';
import type { Fill } from './memory.ts';

export interface Storage extends Fill {
  /** With the blocks that only root may use; `totalBytes` is without them, as in `df`'s percentage. */
  readonly deviceBytes: number;
}

export async function measureStorage(path: string): Promise<Storage> {
  const { bsize, blocks, bfree, bavail } = await statfs(path);
  const usedBytes = (blocks - bfree) * bsize;
  return { usedBytes, totalBytes: usedBytes + bavail * bsize, deviceBytes: blocks * bsize };
}
