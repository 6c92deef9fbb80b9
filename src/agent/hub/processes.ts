/** Whether processes of this machine still run, by /proc where there is one. */
import { readFileSync } from 'node:fs';
import { parseStat } from '../../lib/process-identity.ts';

/** A process beyond its id, which the system gives to another one later. */
export interface WatchedProcess {
  readonly pid: number;
  /** In clock ticks since boot; undefined if it cannot be read: another user's, without /proc or with hidepid. */
  readonly startedAt: number | undefined;
}

export interface Processes {
  /** Undefined if there is no such process. */
  watch(pid: number): WatchedProcess | undefined;
  isRunning(process: WatchedProcess): boolean;
}

export const systemProcesses: Processes = {
  watch(pid) {
    const found = look(pid);
    return found === undefined ? undefined : { pid, startedAt: found.startedAt };
  },
  isRunning({ pid, startedAt }) {
    const found = look(pid);
    if (found === undefined) return false;
    return startedAt === undefined || found.startedAt === undefined || found.startedAt === startedAt;
  },
};

function look(pid: number): { readonly startedAt: number | undefined } | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: another user's process is there, but may not be signalled.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  const stat = statOf(pid);
  // It has ended, but its parent has not asked how.
  if (stat?.state === 'Z' || stat?.state === 'X') return undefined;
  return { startedAt: stat?.startedAt };
}

/** The kernel answers from memory. */
function statOf(pid: number) {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}
