/**
 * A container's limits, from the files of cgroup v2 at the root of its own view. There they exist in a container alone:
 * the root group of a real host has none. An agent that runs as a service with a limit of its own measures the host,
 * since that limit is the agent's and not the machine's. Where v1 is mounted, or nothing, the files are missing and the
 * host's numbers hold.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCount, parseCpuMax, parseFlatKeyed, parseMemoryMax } from '../../lib/cgroup.ts';

export interface MemoryLimit {
  /** `memory.current` without the file pages that the kernel drops first under pressure. */
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface CpuLimit {
  /** Time used by the whole container since it began, over all cores. */
  readonly usedMs: number;
  readonly cores: number;
}

/** Undefined where memory is not limited by a cgroup v2. */
export async function readMemoryLimit(root: string): Promise<MemoryLimit | undefined> {
  const limitBytes = parseMemoryMax(await readOrNothing(root, 'memory.max'));
  const currentBytes = parseCount(await readOrNothing(root, 'memory.current'));
  if (limitBytes === undefined || currentBytes === undefined) return undefined;
  const inactiveBytes = parseFlatKeyed(await readOrNothing(root, 'memory.stat')).get('inactive_file') ?? 0;
  return { usedBytes: Math.max(0, currentBytes - inactiveBytes), limitBytes };
}

/** Undefined where processor time is not limited by a cgroup v2. */
export async function readCpuLimit(root: string): Promise<CpuLimit | undefined> {
  const cores = parseCpuMax(await readOrNothing(root, 'cpu.max'));
  const usedMicros = parseFlatKeyed(await readOrNothing(root, 'cpu.stat')).get('usage_usec');
  return cores === undefined || usedMicros === undefined ? undefined : { usedMs: usedMicros / 1000, cores };
}

async function readOrNothing(root: string, file: string): Promise<string> {
  try {
    return await readFile(join(root, file), 'utf8');
  } catch {
    // Missing, or not to be read: no limit that we could know of.
    return '';
  }
}
