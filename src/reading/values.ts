/** What a worker is worth in a filter or a sort: a number, a text, or nothing. Read from memory, one value at a time. */
import type { Directory, WorkerEntry } from './directory.ts';
import type { ParsedRecord } from './parsed-record.ts';

export type Read<Value> = (reading: ParsedRecord, directory: Directory) => Value | undefined;

/** For what is read from the board, each time anew. */
export function rowOf(reading: ParsedRecord): number {
  reading.touched();
  return reading.entry.row;
}

/** Numbers that every worker may have. Usages and tasks are those of its last record: none before the first heartbeat. */
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
} as const satisfies Readonly<Record<string, Read<number>>>;

export const NUMBER_NAMES = Object.keys(NUMBERS) as readonly (keyof typeof NUMBERS)[];

/** Before the name of a custom metric. */
export const METRIC_PREFIX = 'metrics.';

/** Reads the number of that name; undefined if there is no such name. */
export function numberReader(name: string): Read<number> | undefined {
  if (Object.hasOwn(NUMBERS, name)) return NUMBERS[name as keyof typeof NUMBERS];
  const metric = metricIn(name);
  return metric === undefined ? undefined : ({ metrics }) => metrics?.[metric];
}

/** The metric's own name. */
export function metricIn(name: string): string | undefined {
  return name.startsWith(METRIC_PREFIX) && name.length > METRIC_PREFIX.length
    ? name.slice(METRIC_PREFIX.length)
    : undefined;
}

/**
 * Whether it has told of a graphics processor: by a usage, by the devices of its last record, or when it registered. Of
 * one that has not, a usage of 0 is no measurement: heartbeats cannot leave the number out.
 */
export function hasGpu({ slot, facts }: WorkerEntry, record: { readonly gpuUsage: number } | undefined): boolean {
  return (facts?.totalGpu ?? 0) > 0 || (record?.gpuUsage ?? 0) > 0 || slot.listsGpus;
}

/** The group that it told; empty if it belongs to none. */
export function groupOf({ facts }: WorkerEntry): string {
  return facts?.group ?? '';
}
