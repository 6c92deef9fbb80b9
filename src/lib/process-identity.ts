/**
 * Which process it is, beyond its number: numbers are used again, and each container counts from 1. Where there is no
 * /proc, the number and the host must do.
 */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since the machine's boot. */
  readonly startedAt?: number | undefined;
  /** Where its number counts, such as `pid:[4026531836]`. */
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

/** Whether the two count processes in the same place: only then does a number say anything. */
export function arePeers(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.host === b.host && a.pidNamespace === b.pidNamespace;
}

/** Whether this very process, a peer of ours, still runs. Unknown counts as yes. */
export async function stillRuns({ pid, startedAt }: ProcessIdentity): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process may not be signalled, but is there.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const stat = await statOf(pid);
  if (stat === undefined) return true;
  // Killed, and its parent has not asked how it ended.
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

/** Of a text as in /proc/<pid>/stat; undefined if it is another one. */
export function parseStat(text: string): ProcessStat | undefined {
  // Field 2 is the name in parentheses, and may hold anything: blanks, parentheses, line feeds.
  const [state, ...rest] = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  // Field 22, of which 3 is the state.
  const startedAt = Number(rest[18]);
  return state === undefined || !Number.isSafeInteger(startedAt) ? undefined : { state, startedAt };
}
