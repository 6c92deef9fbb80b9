/** Used space of the root file system, by one system call: `df` would be a process per heartbeat. */
import { statfs } from 'node:fs/promises';
import type { Fill } from './memory.ts';

export interface Storage extends Fill {
  /** Includes the blocks reserved for root; `totalBytes` excludes them, as in `df`'s percentage. */
  readonly deviceBytes: number;
}

export async function measureStorage(path: string): Promise<Storage> {
  const { bsize, blocks, bfree, bavail } = await statfs(path);
  const usedBytes = (blocks - bfree) * bsize;
  return { usedBytes, totalBytes: usedBytes + bavail * bsize, deviceBytes: blocks * bsize };
}
