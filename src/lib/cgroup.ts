/**
 * Linux control groups, version 2: the groups of a process, and the values in their files. With version 1, or without
 * cgroups, the files are missing.
 *
 * Formats: docs.kernel.org/admin-guide/cgroup-v2.html.
 */
import { join } from 'node:path';

/** Mount point of version 2. In a container, the container's own group is mounted there. */
export const CGROUP_ROOT = '/sys/fs/cgroup';

/**
 * The directories of a process's group and of all groups above it, up to the mount's root; limits of all of them apply.
 * The mount may not include the process's own group; its directory is then missing.
 *
 * @param membership the text of `/proc/self/cgroup`
 */
export function groupFolders(root: string, membership: string): string[] {
  const path = /^0::(\/.*)$/m.exec(membership)?.[1] ?? '/';
  const names = path.split('/').filter((name) => name !== '');
  // A group outside the visible hierarchy is shown as a path that leaves the root.
  if (names.includes('..')) return [root];
  return names.map((_, index) => join(root, ...names.slice(0, names.length - index))).concat(root);
}

/** Parses a file with one count; undefined for `max` and for invalid content. */
export function parseCount(text: string): number | undefined {
  const trimmed = text.trim();
  const count = /^\d+$/.test(trimmed) ? Number(trimmed) : Number.NaN;
  return Number.isFinite(count) ? count : undefined;
}

/** Parses `memory.max` in bytes; undefined for `max` and for invalid content. */
export function parseMemoryMax(text: string): number | undefined {
  const bytes = parseCount(text);
  return bytes === 0 ? undefined : bytes;
}

/** Converts `cpu.max` (`<quota> <period>`, in microseconds) to cores; undefined for `max`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota = '', period = ''] = text.trim().split(/\s+/);
  const quotaMicros = parseCount(quota);
  const periodMicros = parseCount(period);
  if (!quotaMicros || !periodMicros) return undefined;
  return quotaMicros / periodMicros;
}

/** Parses a file of `key value` lines, such as `memory.stat`; other lines are ignored. */
export function parseFlatKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [key = '', value = '', ...rest] = line.split(' ');
    const count = parseCount(value);
    if (key !== '' && count !== undefined && rest.length === 0) values.set(key, count);
  }
  return values;
}
