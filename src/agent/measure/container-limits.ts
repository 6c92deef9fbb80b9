/**
 * A container's limits, from the files of control groups at the root of its own view. There they exist in a container
 * alone: the root group of a real host has none. An agent that runs as a service with a limit of its own measures the
 * host, since that limit is the agent's and not the machine's. Each controller is looked for where version 2 has it, and
 * then where version 1 has it, so that hybrid hosts, which mount both, are read as well.
 *
 * Formats: docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/{memory,cpuacct}.html.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCount, parseCpuMax, parseFlatKeyed, parseMemoryMax } from '../../lib/cgroup.ts';

export interface MemoryLimit {
  /** In use, without the file pages that the kernel drops first under pressure. */
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface CpuLimit {
  /** Time used by the whole container since it began, over all cores. */
  readonly usedMs: number;
  readonly cores: number;
}

/** Undefined where memory is not limited. */
export async function readMemoryLimit(root: string): Promise<MemoryLimit | undefined> {
  return (await memoryLimitV2(root)) ?? (await memoryLimitV1(join(root, 'memory')));
}

async function memoryLimitV2(group: string): Promise<MemoryLimit | undefined> {
  const limitBytes = parseMemoryMax(await readOrNothing(group, 'memory.max'));
  const currentBytes = parseCount(await readOrNothing(group, 'memory.current'));
  if (limitBytes === undefined || currentBytes === undefined) return undefined;
  const inactiveBytes = parseFlatKeyed(await readOrNothing(group, 'memory.stat')).get('inactive_file') ?? 0;
  return { usedBytes: Math.max(0, currentBytes - inactiveBytes), limitBytes };
}

/** No limit is told as some number near 2^63 there, which is above every host. */
async function memoryLimitV1(group: string): Promise<MemoryLimit | undefined> {
  const ownLimitBytes = parseMemoryMax(await readOrNothing(group, 'memory.limit_in_bytes'));
  const currentBytes = parseCount(await readOrNothing(group, 'memory.usage_in_bytes'));
  if (ownLimitBytes === undefined || currentBytes === undefined) return undefined;
  const stat = parseFlatKeyed(await readOrNothing(group, 'memory.stat'));
  const inactiveBytes = stat.get('total_inactive_file') ?? 0;
  // The least of all groups above, as far as the kernel tells it.
  const limitBytes = Math.min(ownLimitBytes, stat.get('hierarchical_memory_limit') ?? ownLimitBytes);
  return { usedBytes: Math.max(0, currentBytes - inactiveBytes), limitBytes };
}

/** Undefined where processor time is not limited. */
export async function readCpuLimit(root: string): Promise<CpuLimit | undefined> {
  return (await cpuLimitV2(root)) ?? (await cpuLimitV1(root));
}

async function cpuLimitV2(group: string): Promise<CpuLimit | undefined> {
  const cores = parseCpuMax(await readOrNothing(group, 'cpu.max'));
  const usedMicros = parseFlatKeyed(await readOrNothing(group, 'cpu.stat')).get('usage_usec');
  return cores === undefined || usedMicros === undefined ? undefined : { usedMs: usedMicros / 1000, cores };
}

/** The two controllers are mounted together (`cpu,cpuacct`), or each by itself, and then linked by their own names or not. */
async function cpuLimitV1(root: string): Promise<CpuLimit | undefined> {
  const [quota, period, used] = await Promise.all([
    firstOf(root, ['cpu', 'cpu,cpuacct', 'cpuacct,cpu'], 'cpu.cfs_quota_us'),
    firstOf(root, ['cpu', 'cpu,cpuacct', 'cpuacct,cpu'], 'cpu.cfs_period_us'),
    firstOf(root, ['cpuacct', 'cpu,cpuacct', 'cpuacct,cpu'], 'cpuacct.usage'),
  ]);
  // A quota of -1 is no limit, and no count.
  const cores = parseCpuMax(`${quota.trim()} ${period.trim()}`);
  const usedNanos = parseCount(used);
  return cores === undefined || usedNanos === undefined ? undefined : { usedMs: usedNanos / 1e6, cores };
}

async function firstOf(root: string, folders: readonly string[], file: string): Promise<string> {
  for (const folder of folders) {
    const text = await readOrNothing(join(root, folder), file);
    if (text !== '') return text;
  }
  return '';
}

async function readOrNothing(group: string, file: string): Promise<string> {
  try {
    return await readFile(join(group, file), 'utf8');
  } catch {
    // Missing, or not to be read: no limit that we could know of.
    return '';
  }
}
