/**
 * Control groups of Linux, version 2: which groups a process is in, and what their files say. Where version 1 is
 * mounted, or nothing, the files are missing.
 *
 * Formats: docs.kernel.org/admin-guide/cgroup-v2.html.
 */
import { join } from 'node:path';

/** Where version 2 is mounted. In a container the container's own group is seen there. */
export const CGROUP_ROOT = '/sys/fs/cgroup';

/**
 * The folders of a process's own group and of every group above it, up to the root of the mount: a limit of any of them
 * binds. What is mounted may not reach down to the own group; then its folder is missing.
 *
 * @param membership the text of `/proc/self/cgroup`
 */
export function groupFolders(root: string, membership: string): string[] {
  const path = /^0::(\/.*)$/m.exec(membership)?.[1] ?? '/';
  const names = path.split('/').filter((name) => name !== '');
  // A group outside of what this process may see is told as a path that leaves the root.
  if (names.includes('..')) return [root];
  return names.map((_, index) => join(root, ...names.slice(0, names.length - index))).concat(root);
}

/** A file of one count; undefined for `max` and for anything that is none. */
export function parseCount(text: string): number | undefined {
  const trimmed = text.trim();
  const count = /^\d+$/.test(trimmed) ? Number(trimmed) : Number.NaN;
  return Number.isFinite(count) ? count : undefined;
}

/** `memory.max` in bytes; undefined for `max` and for anything that is no limit. */
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
