/** What Linux tells of a process: its memory and its CPU time. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessMemory {
  /** Resident, pages of files that other processes map too included. */
  readonly rssBytes: number;
  /** The same with each shared page divided by those who share it. */
  readonly pssBytes: number;
}

/** @throws Error where there is no /proc, or no such process */
export function memoryOf(pid: number): ProcessMemory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytes = (name: string) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]);
  return { rssBytes: bytes('Rss'), pssBytes: bytes('Pss') };
}

/** CPU time of all its threads so far. To the nanosecond, where /proc/PID/stat counts ticks of 10 ms. */
export function cpuMsOf(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanoseconds / 1e6;
}
