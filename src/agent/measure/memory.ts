/** Memory in use: of the host, or of the container where its limit binds. */
import { mem } from 'systeminformation';
import { readMemoryLimit } from './container-limits.ts';

/** Bytes in use of those that can be used. */
export interface Fill {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

export interface MemoryOptions {
  readonly cgroupRoot: string;
  readonly readHost?: () => Promise<Fill>;
}

export async function measureMemory({ cgroupRoot, readHost = hostMemory }: MemoryOptions): Promise<Fill> {
  const host = await readHost();
  const limit = await readMemoryLimit(cgroupRoot);
  if (limit === undefined || limit.limitBytes >= host.totalBytes) return host;
  return { usedBytes: limit.usedBytes, totalBytes: limit.limitBytes };
}

/** What programs could not be given: caches that the system gives back on demand do not count as used. */
async function hostMemory(): Promise<Fill> {
  const { total, available } = await mem();
  if (!(total > 0)) throw new Error('the system reports no memory');
  return { usedBytes: total - available, totalBytes: total };
}

/** 0 to 100; 0 of nothing is 0. */
export function fillPercent({ usedBytes, totalBytes }: Fill): number {
  return totalBytes > 0 ? Math.min(100, Math.max(0, (100 * usedBytes) / totalBytes)) : 0;
}
