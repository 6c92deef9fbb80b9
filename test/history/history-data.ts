/** Makes data for tests of history. */
import type { Batch, HistoryWriter, Retention } from '../../src/history/backend.ts';
import type { MetricKey, SampleRun } from '../../src/history/samples.ts';
import type { TaskRun } from '../../src/history/task-run.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Longer than any test's time. */
export const KEEP_ALL: Retention = { rawMs: 1000 * DAY, minuteMs: 1000 * DAY, hourMs: 1000 * DAY, maxBytes: undefined };

/** Midnight, and the start of an hour. */
export const START_MS = Date.UTC(2026, 2, 1);

export interface RunOptions {
  readonly workerId?: string;
  readonly first?: number;
  readonly count?: number;
  readonly fromMs?: number;
  readonly stepMs?: number;
  readonly keys?: readonly MetricKey[];
  readonly value?: (index: number, key: MetricKey) => number;
}

export function sampleRun({
  workerId = 'worker-1',
  first = 1,
  count = 1,
  fromMs = START_MS,
  stepMs = 5000,
  keys = ['cpu_usage'],
  value = (index) => (index % 100) + 0.5,
}: RunOptions = {}): SampleRun {
  return {
    workerId,
    run: 0,
    first,
    at: Float64Array.from({ length: count }, (_, index) => fromMs + index * stepMs),
    flags: Uint8Array.from({ length: count }, (_, index) => index % 32),
    columns: new Map(
      keys.map((key) => [key, Float64Array.from({ length: count }, (_, index) => value(first + index, key))]),
    ),
  };
}

export function batchOf(bootId: string, number: number, content: Partial<Batch> = {}): Batch {
  return { bootId, number, atMs: START_MS, samples: [], gaps: [], taskRuns: [], events: [], ...content };
}

export function taskRun(content: Partial<TaskRun> = {}): TaskRun {
  return {
    workerId: 'worker-1',
    taskId: 'task-1',
    firstSeenMs: START_MS,
    lastSeenMs: null,
    startedMs: null,
    endedMs: null,
    status: 'running',
    cpuAllocated: 1.5,
    memoryAllocated: 2,
    gpuAllocated: 0,
    outcome: 'running',
    exitCode: null,
    cpuSeconds: null,
    maxRssBytes: null,
    ...content,
  };
}

/** Does everything that is due at this time. */
export async function settle(
  writer: HistoryWriter,
  nowMs: number,
  retention: Retention = KEEP_ALL,
  expiryMs = nowMs,
): Promise<void> {
  for (let step = 0; await writer.maintain(nowMs, retention, expiryMs); step++) {
    if (step > 10_000) throw new Error('maintenance does not come to an end');
  }
}
