/**
 * A container's limits, from the files of cgroup v2 at the root of its own view (`/sys/fs/cgroup`). There they exist in
 * a container alone: the root group of a real host has none, so an agent that runs as a service with a limit of its
 * own still measures the host. Where v1 is mounted, or nothing, the files are missing and the host's numbers hold.
 *
 * Formats: docs.kernel.org/admin-guide/cgroup-v2.html.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const CGROUP_ROOT = '/sys/fs/cgroup';

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

/** `memory.max` in bytes; undefined for `max` and for anything that is no count. */
export function parseMemoryMax(text: string): number | undefined {
  const bytes = parseCount(text);
  return bytes === 0 ? undefined : bytes;
}

/** `cpu.max` (`<quota> <period>`, in microseconds) in cores; undefined for `max`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota = '', period = ''] = text.trim().split(/\s+/);
  const quotaMicros = parseCount(quota);
  const periodMicros = parseCount(period);
  if (!quotaMicros || !periodMicros) return undefined;
  return quotaMicros / periodMicros;
}

/** A file of `key value` lines, such as `memory.stat`; lines of another form are left out. */
export function parseFlatKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [key = '', value = '', ...rest] = line.split(' ');
    const count = parseCount(value);
    if (key !== '' && count !== undefined && rest.length === 0) values.set(key, count);
  }
  return values;
}

function parseCount(text: string): number | undefined {
  const trimmed = text.trim();
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

async function readOrNothing(root: string, file: string): Promise<string> {
  try {
    return await readFile(join(root, file), 'utf8');
  } catch {
    // Missing, or not to be read: no limit that we could know of.
    return '';
  }
}
