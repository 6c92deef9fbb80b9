/** Values of a worker for filters and sorts: a number, a text, or undefined. Read from memory one at a time. */
import type { Directory, WorkerEntry } from './directory.ts';
import type { ParsedRecord } from './parsed-record.ts';
import { scoreOf } from './scores.ts';

export type Read<Value> = (reading: ParsedRecord, directory: Directory) => Value | undefined;

/** A value from the board, read anew each time. */
export function rowOf(reading: ParsedRecord): number {
  reading.touched();
  return reading.entry.row;
}

/** Numbers that every worker may have. Usages and tasks are from its last record: undefined before the first heartbeat. */
const NUMBERS = {
  cpu_usage: ({ numbers }) => numbers?.cpuUsage,
  memory_usage: ({ numbers }) => numbers?.memoryUsage,
  storage_usage: ({ numbers }) => numbers?.storageUsage,
  gpu_usage: ({ numbers }) => numbers?.gpuUsage,
  running_tasks_count: ({ numbers }) => numbers?.runningTasks,
  interval_ms: (reading, { board }) => board.intervalMs(rowOf(reading)),
  skew_ms: (reading, { board }) => board.skewMs(rowOf(reading)),
  restarts: (reading, { board }) => board.restarts(rowOf(reading)),
  missed: (reading, { board }) => board.missed(rowOf(reading)),
  anomaly_score: (reading, { board }) => {
    reading.touched();
    return scoreOf(reading.entry, board)?.score;
  },
} as const satisfies Readonly<Record<string, Read<number>>>;

export const NUMBER_NAMES = Object.keys(NUMBERS) as readonly (keyof typeof NUMBERS)[];

/** The prefix of custom metrics. */
export const METRIC_PREFIX = 'metrics.';

/** Returns a reader for the number of this name; undefined if the name is unknown. */
export function numberReader(name: string): Read<number> | undefined {
  if (Object.hasOwn(NUMBERS, name)) return NUMBERS[name as keyof typeof NUMBERS];
  const metric = metricIn(name);
  return metric === undefined ? undefined : ({ metrics }) => metrics?.[metric];
}

/** The metric's name without the prefix. */
export function metricIn(name: string): string | undefined {
  return name.startsWith(METRIC_PREFIX) && name.length > METRIC_PREFIX.length
    ? name.slice(METRIC_PREFIX.length)
    : undefined;
}

/**
 * Whether the worker has reported a GPU: by a usage above 0, by the devices of its last record, or when it registered. Without
 * one, a usage of 0 is no measurement: heartbeats cannot omit the number.
 */
export function hasGpu({ slot, facts }: WorkerEntry, record: { readonly gpuUsage: number } | undefined): boolean {
  return (facts?.totalGpu ?? 0) > 0 || (record?.gpuUsage ?? 0) > 0 || slot.listsGpus;
}

/** The worker's group; empty if it has none. */
export function groupOf({ facts }: WorkerEntry): string {
  return facts?.group ?? '';
}
