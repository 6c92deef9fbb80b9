/** What a worker is worth in a filter or a sort: a number, a text, or nothing. Read from memory, one value at a time. */
import { metricsTextIn } from '../../model/record-json.ts';
import type { Directory, WorkerEntry } from '../../store/directory.ts';

export type Read<Value> = (entry: WorkerEntry, directory: Directory) => Value | undefined;

/** Numbers that every worker may have. Usages and tasks are those of its last record: none before the first heartbeat. */
const NUMBERS = {
  cpu_usage: ({ slot }) => slot.numbers()?.cpuUsage,
  memory_usage: ({ slot }) => slot.numbers()?.memoryUsage,
  storage_usage: ({ slot }) => slot.numbers()?.storageUsage,
  gpu_usage: ({ slot }) => slot.numbers()?.gpuUsage,
  running_tasks_count: ({ slot }) => slot.numbers()?.runningTasks,
  interval_ms: ({ row }, { board }) => board.intervalMs(row),
  skew_ms: ({ row }, { board }) => board.skewMs(row),
  restarts: ({ row }, { board }) => board.restarts(row),
  missed: ({ row }, { board }) => board.missed(row),
} as const satisfies Readonly<Record<string, Read<number>>>;

export const NUMBER_NAMES = Object.keys(NUMBERS) as readonly (keyof typeof NUMBERS)[];

/** Before the name of a custom metric. */
export const METRIC_PREFIX = 'metrics.';

/** Reads the number of that name; undefined if there is no such name. */
export function numberReader(name: string): Read<number> | undefined {
  if (Object.hasOwn(NUMBERS, name)) return NUMBERS[name as keyof typeof NUMBERS];
  const metric = metricIn(name);
  return metric === undefined ? undefined : ({ slot }) => metricsOf(slot)?.[metric];
}

/** The metric's own name. */
export function metricIn(name: string): string | undefined {
  return name.startsWith(METRIC_PREFIX) && name.length > METRIC_PREFIX.length
    ? name.slice(METRIC_PREFIX.length)
    : undefined;
}

/** Its custom metrics; an object without a prototype, since any text may be a name. Undefined if it sends none. */
export function metricsOf(slot: WorkerEntry['slot']): Readonly<Record<string, number>> | undefined {
  const text = metricsTextIn(slot.json(''));
  return text === undefined ? undefined : Object.assign(Object.create(null), JSON.parse(text));
}

/** The group that it told; empty if it belongs to none. */
export function groupOf({ facts }: WorkerEntry): string {
  return facts?.group ?? '';
}
