/**
 * Reads the limits of this machine and of this process's cgroups. A limit that is missing, unreadable or malformed
 * (macOS, cgroup v1, a hidden /proc) is treated as no limit.
 *
 * The reads are synchronous: a few small kernel files when an engine is created, and the memory ones again before more
 * lanes are started.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { CGROUP_ROOT, groupFolders, parseCount, parseFlatKeyed } from '../../lib/cgroup.ts';
import type { Limit, MachineFacts } from './thread-budget.ts';

/** Sources of the facts; tests provide their own. */
export interface FactSources {
  readonly procRoot: string;
  readonly cgroupRoot: string;
  readonly totalMemoryBytes: number;
  /** As reported by libuv, which also supports cgroup v1: 0 if unknown, huge if unlimited. */
  readonly constrainedMemoryBytes: number;
  /** Memory used by this process. */
  readonly usedMemoryBytes: number;
  /** Root is exempt from RLIMIT_NPROC. */
  readonly isRoot: boolean;
}

export function thisMachine(): FactSources {
  return {
    procRoot: '/proc',
    cgroupRoot: CGROUP_ROOT,
    totalMemoryBytes: totalmem(),
    constrainedMemoryBytes: process.constrainedMemory(),
    usedMemoryBytes: process.memoryUsage.rss(),
    isRoot: process.getuid?.() === 0,
  };
}

export function readMachineFacts(sources: FactSources = thisMachine()): MachineFacts {
  const { procRoot } = sources;
  const groups = groupsOf(sources);
  const limits = textOf(join(procRoot, 'self/limits'));
  return {
    memory: memoryLimits(groups, sources),
    processes: processLimits(groups, limits, sources),
    'memory maps': known([
      {
        setting: 'vm.max_map_count',
        most: countIn(procRoot, 'sys/vm/max_map_count'),
        taken: linesIn(procRoot, 'self/maps'),
      },
    ]),
    'open files': known([
      // Node raises the soft limit to the hard limit.
      { setting: 'ulimit -n', most: resourceLimit(limits, 'Max open files'), taken: entriesIn(procRoot, 'self/fd') },
    ]),
  };
}

/** The current limits of memory only. */
export function readMemoryLimits(sources: FactSources = thisMachine()): readonly Limit[] {
  return memoryLimits(groupsOf(sources), sources);
}

function groupsOf({ procRoot, cgroupRoot }: FactSources): readonly string[] {
  return groupFolders(cgroupRoot, textOf(join(procRoot, 'self/cgroup')));
}

/**
 * Memory used by others counts as taken; memory that the kernel reclaims by itself (page cache) does not. `memory.high`
 * counts as a limit: above it, the kernel throttles the process until it nearly stops.
 */
function memoryLimits(groups: readonly string[], sources: FactSources): readonly Limit[] {
  const { procRoot, totalMemoryBytes, constrainedMemoryBytes } = sources;
  const takenOf = (usedBytes: number | undefined) => Math.max(sources.usedMemoryBytes, usedBytes ?? 0);
  const ofGroups = groups.flatMap((group) => {
    const taken = takenOf(usedInGroup(group));
    return ['memory.max', 'memory.high'].map((file) => ({ setting: file, most: countIn(group, file), taken }));
  });
  return known([
    ...ofGroups,
    {
      setting: 'the container’s memory',
      most: constrainedMemoryBytes || undefined,
      taken: takenOf(usedInContainer(sources)),
    },
    { setting: 'the machine’s memory', most: totalMemoryBytes, taken: takenOf(usedOnMachine(procRoot)) },
  ]);
}

/** Memory used on the machine; undefined where the kernel does not report it. */
function usedOnMachine(procRoot: string): number | undefined {
  const text = textOf(join(procRoot, 'meminfo'));
  const bytesOf = (name: string) => {
    const kib = parseCount(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? '');
    return kib === undefined ? undefined : kib * 1024;
  };
  const total = bytesOf('MemTotal');
  const available = bytesOf('MemAvailable');
  return total === undefined || available === undefined ? undefined : total - available;
}

/** Memory used in a cgroup v2. */
function usedInGroup(group: string): number | undefined {
  const current = countIn(group, 'memory.current');
  if (current === undefined) return undefined;
  const stat = parseFlatKeyed(textOf(join(group, 'memory.stat')));
  return current - (stat.get('inactive_file') ?? 0) - (stat.get('slab_reclaimable') ?? 0);
}

/**
 * Memory used in the container whose limit libuv reports, from cgroup v1 files, where this group may appear as the
 * root.
 */
function usedInContainer({ procRoot, cgroupRoot }: FactSources): number | undefined {
  const path = /^\d+:memory:(\/.*)$/m.exec(textOf(join(procRoot, 'self/cgroup')))?.[1];
  if (path === undefined) return undefined;
  for (const group of [join(cgroupRoot, 'memory', path), join(cgroupRoot, 'memory')]) {
    const used = countIn(group, 'memory.usage_in_bytes');
    if (used === undefined) continue;
    return used - (parseFlatKeyed(textOf(join(group, 'memory.stat'))).get('total_inactive_file') ?? 0);
  }
  return undefined;
}

function processLimits(groups: readonly string[], limits: string, { procRoot, isRoot }: FactSources): readonly Limit[] {
  // `0.20 0.18 0.12 <runnable>/<existing> <newest>`, for the whole machine.
  const existing = parseCount(/ \d+\/(\d+) /.exec(textOf(join(procRoot, 'loadavg')))?.[1] ?? '') ?? 0;
  const ofUser = isRoot ? undefined : resourceLimit(limits, 'Max processes');
  return known([
    ...groups.map((group) => ({
      setting: 'pids.max',
      most: countIn(group, 'pids.max'),
      taken: countIn(group, 'pids.current') ?? 0,
    })),
    // Other processes of the same user count too, but finding them is not worth it; LANES_SHARE leaves room.
    { setting: 'ulimit -u', most: ofUser, taken: entriesIn(procRoot, 'self/task') },
    { setting: 'kernel.threads-max', most: countIn(procRoot, 'sys/kernel/threads-max'), taken: existing },
    { setting: 'kernel.pid_max', most: countIn(procRoot, 'sys/kernel/pid_max'), taken: existing },
  ]);
}

function known(limits: readonly (Omit<Limit, 'most'> & { readonly most: number | undefined })[]): Limit[] {
  return limits.flatMap(({ most, ...limit }) => (most === undefined ? [] : { ...limit, most }));
}

/** The soft limit in the text of `/proc/self/limits`; undefined for `unlimited`. */
function resourceLimit(limits: string, name: string): number | undefined {
  return parseCount(new RegExp(`^${name} +(\\S+)`, 'm').exec(limits)?.[1] ?? '');
}

function countIn(folder: string, file: string): number | undefined {
  return parseCount(textOf(join(folder, file)));
}

function linesIn(folder: string, file: string): number {
  return textOf(join(folder, file)).split('\n').length - 1;
}

function entriesIn(folder: string, name: string): number {
  try {
    return readdirSync(join(folder, name)).length;
  } catch {
    return 0;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
