/** What Linux says of a process in /proc: pure parsers of its files. See proc_pid_stat(5) and proc_pid_status(5). */

/** sysconf(_SC_CLK_TCK) of every architecture of Linux that Node runs on. */
const TICKS_PER_S = 100;

export interface StatFile {
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
  /** In ticks since boot. */
  readonly startedAt: number;
}

/** Undefined if it is no such text. */
export function parseStatFile(text: string): StatFile | undefined {
  // The name in parentheses may contain anything, parentheses and line feeds too.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(1)
    .map(Number);
  const [parentPid, groupId, , terminal, foregroundGroup] = fields;
  const [user = Number.NaN, system = 0, childUser = 0, childSystem = 0] = fields.slice(10, 14);
  const startedAt = fields[18] ?? Number.NaN;
  if (![parentPid, groupId, terminal, foregroundGroup, user, startedAt].every(Number.isSafeInteger)) return undefined;
  return {
    parentPid: parentPid as number,
    groupId: groupId as number,
    terminal: terminal as number,
    foregroundGroup: foregroundGroup as number,
    cpuSeconds: (user + system) / TICKS_PER_S,
    childCpuSeconds: (childUser + childSystem) / TICKS_PER_S,
    startedAt,
  };
}

export interface MemoryOf {
  readonly residentBytes: number;
  /** The most that there was at any time. */
  readonly peakBytes: number;
}

/** Undefined for a process without memory of its own: one that has ended. */
export function parseStatusFile(text: string): MemoryOf | undefined {
  const resident = kibibytesOf(text, 'VmRSS');
  const peak = kibibytesOf(text, 'VmHWM');
  return resident === undefined || peak === undefined ? undefined : { residentBytes: resident, peakBytes: peak };
}

function kibibytesOf(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text);
  return match === null ? undefined : Number(match[1]) * 1024;
}
