/** What Linux says of a process in /proc/<pid>/stat; see proc_pid_stat(5). */
import { readFileSync } from 'node:fs';

/** sysconf(_SC_CLK_TCK) of every architecture of Linux that Node runs on. */
const TICKS_PER_S = 100;

export interface ProcessStat {
  /** A letter, such as `Z` for a process that has ended and whose parent has not asked how. */
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  /** 0: none. */
  readonly terminal: number;
  /** The group that reads the keys of the terminal. */
  readonly foregroundGroup: number;
  /** Of the process itself. */
  readonly cpuSeconds: number;
  /** Of those of its children, and theirs, that have ended and been waited for. */
  readonly childCpuSeconds: number;
  /** In clock ticks since boot. */
  readonly startedAt: number;
}

/** Undefined if it is no such text. */
export function parseStat(text: string): ProcessStat | undefined {
  // Field 2 is the name in parentheses, which may contain anything, even parentheses and line feeds.
  const [state = '', ...rest] = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  // From field 4 on.
  const fields = rest.map(Number);
  const [parentPid, groupId, , terminal, foregroundGroup] = fields;
  const [user = Number.NaN, system = 0, childUser = 0, childSystem = 0] = fields.slice(10, 14);
  const startedAt = fields[18] ?? Number.NaN;
  if (![parentPid, groupId, terminal, foregroundGroup, user, startedAt].every(Number.isSafeInteger)) return undefined;
  return {
    state,
    parentPid: parentPid as number,
    groupId: groupId as number,
    terminal: terminal as number,
    foregroundGroup: foregroundGroup as number,
    cpuSeconds: (user + system) / TICKS_PER_S,
    childCpuSeconds: (childUser + childSystem) / TICKS_PER_S,
    startedAt,
  };
}

/** Undefined if it is gone, or cannot be read: another user's with hidepid, or where there is no /proc. The kernel answers from memory. */
export function statOf(pid: number | 'self', proc = '/proc'): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`${proc}/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}
