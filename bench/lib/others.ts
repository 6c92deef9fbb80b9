/**
 * The share of the machine that other processes used during a measurement. On a shared machine, figures mean little without it.
 *
 * Computed from /proc as the machine's busy time minus that of this process and its descendants. It includes time that the
 * hypervisor gave to others (steal), but not interrupts, which are mostly for our own packets. Without /proc it is unknown.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** A run in which others used more than this share is disturbed: a fifth of a core on two cores. */
export const DISTURBED_SHARE = 0.1;

/** In kernel ticks of 10 ms, over all CPUs. */
export interface CpuReading {
  readonly total: number;
  readonly busy: number;
  /** Of this process and its descendants, including those that have ended. */
  readonly own: number;
}

export interface ProcessTicks {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** From 0 to 1. */
export function othersShare(before: CpuReading, after: CpuReading): number {
  const total = after.total - before.total;
  const others = after.busy - before.busy - (after.own - before.own);
  return total <= 0 ? 0 : Math.min(1, Math.max(0, others / total));
}

/** @param share undefined if unknown */
export function isDisturbed(share: number | null | undefined): boolean {
  return (share ?? 0) > DISTURBED_SHARE;
}

/** From /proc/stat. */
export function machineTicks(stat: string): Pick<CpuReading, 'total' | 'busy'> {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
    stat.split('\n')[0] ?? ''
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + steal;
  return { busy, total: busy + idle + iowait + irq + softirq };
}

/** From /proc/PID/stat, including ended children. The process name in it may contain anything. */
export function processTicks(pid: number, stat: string): ProcessTicks {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11);
  return { pid, parent: fields[1] ?? 0, ticks: user + system + childrenUser + childrenSystem };
}

/** Of `root` and its descendants. */
export function treeTicks(processes: readonly ProcessTicks[], root: number): number {
  const below = Map.groupBy(processes, ({ parent }) => parent);
  const tree = processes.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...(below.get(pid) ?? []));
  return tree.reduce((sum, { ticks }) => sum + ticks, 0);
}

/** Undefined if the system does not provide it. */
export function readCpu(): CpuReading | undefined {
  try {
    const machine = machineTicks(readFileSync('/proc/stat', 'utf8'));
    return { ...machine, own: treeTicks(allProcesses(), process.pid) };
  } catch {
    return undefined;
  }
}

function allProcesses(): ProcessTicks[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return [processTicks(Number(name), readFileSync(`/proc/${name}/stat`, 'utf8'))];
    } catch {
      // The process has ended meanwhile.
      return [];
    }
  });
}
