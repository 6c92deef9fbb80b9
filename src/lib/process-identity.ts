/**
 * Identifies a process beyond its id: ids are reused, and each container counts from 1. Without /proc, only id and host
 * are compared.
 */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly startedAt?: number | undefined;
  /** The PID namespace, such as `pid:[4026531836]`. */
  readonly pidNamespace?: string | undefined;
  readonly host: string;
}

export async function identityOfSelf(): Promise<ProcessIdentity> {
  const [stat, pidNamespace] = await Promise.all([
    statOf('self'),
    readlink('/proc/self/ns/pid').catch(() => undefined),
  ]);
  return { pid: process.pid, startedAt: stat?.startedAt, pidNamespace, host: hostname() };
}

/** Whether the two processes are in the same PID namespace; only then is an id meaningful. */
export function arePeers(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.host === b.host && a.pidNamespace === b.pidNamespace;
}

/** Whether this process, in our namespace, still runs; true if unknown. */
export async function stillRuns({ pid, startedAt }: ProcessIdentity): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: another user's process exists, but may not be signalled.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const stat = await statOf(pid);
  if (stat === undefined) return true;
  // Ended, but not yet reaped by its parent.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return startedAt === undefined || stat.startedAt === startedAt;
}

async function statOf(pid: number | 'self'): Promise<ProcessStat | undefined> {
  try {
    return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

export interface ProcessStat {
  /** A letter; see proc_pid_stat(5). */
  readonly state: string;
  readonly startedAt: number;
}

/** Parses the text of /proc/<pid>/stat; undefined if it is invalid. */
export function parseStat(text: string): ProcessStat | undefined {
  // Field 2 is the name in parentheses, which may contain anything, even parentheses and line feeds.
  const [state, ...rest] = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  // Field 22; the state is field 3.
  const startedAt = Number(rest[18]);
  return state === undefined || !Number.isSafeInteger(startedAt) ? undefined : { state, startedAt };
}
