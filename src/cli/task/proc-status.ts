/** Pure parser of /proc/<pid>/status, in which Linux says how much memory a process has; see proc_pid_status(5). */

export interface MemoryOf {
  readonly residentBytes: number;
  /** The most that there was at any time. */
  readonly peakBytes: number;
}

/** Undefined for a process without memory of its own: one that has ended. */
export function parseStatus(text: string): MemoryOf | undefined {
  const resident = kibibytesOf(text, 'VmRSS');
  const peak = kibibytesOf(text, 'VmHWM');
  return resident === undefined || peak === undefined ? undefined : { residentBytes: resident, peakBytes: peak };
}

function kibibytesOf(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text);
  return match === null ? undefined : Number(match[1]) * 1024;
}
