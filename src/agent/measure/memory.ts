/** Memory in use: of the host, or of the container where its limit is lower. */
import { freemem, totalmem } from 'node:os';
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

/** Used is what is not available to programs: caches that the system can drop do not count as used. */
async function hostMemory(): Promise<Fill> {
  const { total, available } = process.platform === 'linux' ? linuxMemory() : await memoryElsewhere();
  if (!(total > 0)) throw new Error('the system reports no memory');
  return { usedBytes: Math.max(0, total - available), totalBytes: total };
}

/** On Linux Node's `freemem` is MemAvailable of /proc/meminfo, which the kernel answers from memory. */
function linuxMemory() {
  return { total: totalmem(), available: freemem() };
}

/** Elsewhere `freemem` leaves out caches. Imported only there: it takes 3 MB. */
async function memoryElsewhere() {
  const { mem } = await import('systeminformation');
  return await mem();
}

/** 0 to 100; 0 of nothing is 0. */
export function fillPercent({ usedBytes, totalBytes }: Fill): number {
  return totalBytes > 0 ? Math.min(100, Math.max(0, (100 * usedBytes) / totalBytes)) : 0;
}
