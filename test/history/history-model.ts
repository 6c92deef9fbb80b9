/** What a database of history should answer, computed naively from everything that was written. */
import type { Batch, EventFilter, HistoryReader, RangeRequest, TaskRunFilter } from '../../src/history/backend.ts';
import {
  type BucketRun,
  type Gap,
  type MetricKey,
  type RollupTier,
  type SampleRun,
  TIER_MS,
} from '../../src/history/samples.ts';
import type { TaskRun } from '../../src/history/task-run.ts';
import type { WorkerEvent } from '../../src/model/events.ts';

export interface Sample {
  readonly run: number;
  readonly number: number;
  readonly at: number;
  readonly flags: number;
  readonly values: Readonly<Record<MetricKey, number>>;
}

export interface Bucket {
  readonly start: number;
  readonly values: Readonly<Record<MetricKey, { min: number; max: number; sum: number; last: number; count: number }>>;
}

export class HistoryModel {
  readonly #samples = new Map<string, Sample[]>();
  readonly #durable = new Map<string, { bootId: string; next: number }>();
  readonly #keys = new Map<string, Set<MetricKey>>();
  readonly #events = new Map<number, WorkerEvent>();
  readonly #taskRuns = new Map<string, TaskRun>();
  readonly #gaps: Gap[] = [];

  /** @param run the number that the database gave to the batch's run of the master */
  write(batch: Batch, run: number): void {
    for (const part of batch.samples) {
      const samples = this.#samples.get(part.workerId) ?? [];
      samples.push(...samplesOf({ ...part, run }));
      this.#samples.set(part.workerId, samples);
      this.#durable.set(part.workerId, { bootId: batch.bootId, next: part.first + part.at.length });
      const keys = this.#keys.get(part.workerId) ?? new Set();
      for (const key of part.columns.keys()) keys.add(key);
      this.#keys.set(part.workerId, keys);
    }
    for (const event of batch.events) if (!this.#events.has(event.id)) this.#events.set(event.id, event);
    for (const run of batch.taskRuns) this.#taskRuns.set(`${run.firstSeenMs} ${run.workerId} ${run.taskId}`, run);
    this.#gaps.push(...batch.gaps);
  }

  get workerIds(): string[] {
    return [...this.#samples.keys()];
  }

  samples(workerId: string, fromMs: number, toMs: number, keys: readonly MetricKey[] | undefined): Sample[] {
    return (this.#samples.get(workerId) ?? [])
      .filter(({ at }) => at >= fromMs && at < toMs)
      .map((sample) => ({
        ...sample,
        values: Object.fromEntries(
          Object.entries(sample.values).filter(([key]) => keys === undefined || keys.includes(key)),
        ),
      }));
  }

  buckets(
    workerId: string,
    tier: RollupTier,
    fromMs: number,
    toMs: number,
    keys: readonly MetricKey[] | undefined,
  ): Bucket[] {
    const lengthMs = TIER_MS[tier];
    const byStart = Map.groupBy(
      this.samples(workerId, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, keys),
      ({ at }) => Math.floor(at / lengthMs) * lengthMs,
    );
    return [...byStart]
      .filter(([start]) => start >= fromMs && start < toMs)
      .sort(([a], [b]) => a - b)
      .map(([start, samples]) => {
        const values: Record<MetricKey, { min: number; max: number; sum: number; last: number; count: number }> = {};
        for (const sample of samples) {
          for (const [key, value] of Object.entries(sample.values)) {
            const bucket = values[key];
            values[key] = {
              min: Math.min(bucket?.min ?? value, value),
              max: Math.max(bucket?.max ?? value, value),
              sum: (bucket?.sum ?? 0) + value,
              last: value,
              count: (bucket?.count ?? 0) + 1,
            };
          }
        }
        return { start, values };
      });
  }

  worker(workerId: string) {
    const at = this.samples(workerId, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, undefined).map((s) => s.at);
    return {
      workerId,
      firstMs: Math.min(...at),
      lastMs: Math.max(...at),
      keys: [...(this.#keys.get(workerId) ?? [])].sort(),
      durable: this.#durable.get(workerId),
    };
  }

  /** Those that were recorded; not the times without a master. */
  gaps(workerIds: readonly string[], fromMs: number, toMs: number): Gap[] {
    return this.#gaps.filter(
      (gap) =>
        (gap.workerId === undefined || workerIds.includes(gap.workerId)) &&
        gap.fromMs < toMs &&
        (gap.toMs > fromMs || gap.fromMs >= fromMs),
    );
  }

  events({ workerId, workerIds, types, afterId, beforeId, fromMs, toMs, limit, prefer }: EventFilter): WorkerEvent[] {
    const found = [...this.#events.values()]
      .filter(
        (event) =>
          (workerId === undefined || event.workerId === workerId) &&
          (workerIds === undefined || (event.workerId !== undefined && workerIds.includes(event.workerId))) &&
          (types === undefined || types.includes(event.type)) &&
          (afterId === undefined || event.id > afterId) &&
          (beforeId === undefined || event.id < beforeId) &&
          (fromMs === undefined || event.atUnixMs >= fromMs) &&
          (toMs === undefined || event.atUnixMs < toMs),
      )
      .sort((a, b) => a.id - b.id);
    return prefer === 'oldest' ? found.slice(0, limit) : found.slice(Math.max(found.length - limit, 0));
  }

  taskRuns({ workerIds, taskId, outcomes, status, fromMs, toMs, limit, after }: TaskRunFilter): TaskRun[] {
    return [...this.#taskRuns.values()]
      .filter(
        (run) =>
          (workerIds === undefined || workerIds.includes(run.workerId)) &&
          (taskId === undefined || run.taskId === taskId) &&
          (outcomes === undefined || outcomes.includes(run.outcome)) &&
          (status === undefined || run.status === status) &&
          run.firstSeenMs < toMs &&
          (run.lastSeenMs === null || run.lastSeenMs >= fromMs) &&
          (after === undefined || compareTaskRuns(after, run) < 0),
      )
      .sort(compareTaskRuns)
      .slice(0, limit);
  }
}

type TaskRunKey = Pick<TaskRun, 'firstSeenMs' | 'workerId' | 'taskId'>;

function compareTaskRuns(a: TaskRunKey, b: TaskRunKey): number {
  return (
    b.firstSeenMs - a.firstSeenMs ||
    Buffer.compare(Buffer.from(a.workerId), Buffer.from(b.workerId)) ||
    Buffer.compare(Buffer.from(a.taskId), Buffer.from(b.taskId))
  );
}

export function samplesOf({ run, first, at, flags, columns }: SampleRun): Sample[] {
  return Array.from(at, (time, index) => ({
    run,
    number: first + index,
    at: time,
    flags: flags[index] as number,
    values: Object.fromEntries(
      [...columns]
        .map(([key, column]) => [key, column[index] as number] as const)
        .filter(([, value]) => !Number.isNaN(value)),
    ),
  }));
}

function bucketsOf({ start, columns }: BucketRun): Bucket[] {
  return Array.from(start, (time, index) => ({
    start: time,
    values: Object.fromEntries(
      [...columns]
        .filter(([, { count }]) => (count[index] as number) > 0)
        .map(([key, { min, max, sum, last, count }]) => [
          key,
          {
            min: min[index] as number,
            max: max[index] as number,
            sum: sum[index] as number,
            last: last[index] as number,
            count: count[index] as number,
          },
        ]),
    ),
  }));
}

export interface Answer<Item> {
  readonly items: ReadonlyMap<string, Item[]>;
  readonly gaps: Gap[];
  readonly durable: ReadonlyMap<string, { bootId: string; next: number }>;
}

const never = () => false;

export async function readSamples(reader: HistoryReader, request: RangeRequest): Promise<Answer<Sample>> {
  const answer = collector<Sample>();
  const visit = {
    part: (run: SampleRun, durable: { bootId: string; next: number }) =>
      answer.add(run.workerId, samplesOf(run), durable),
    gap: (gap: Gap) => answer.gaps.push(gap),
  };
  await reader.samples(request, visit, never);
  return answer;
}

export async function readBuckets(
  reader: HistoryReader,
  request: RangeRequest & { tier: RollupTier },
): Promise<Answer<Bucket>> {
  const answer = collector<Bucket>();
  const visit = {
    part: (run: BucketRun, durable: { bootId: string; next: number }) =>
      answer.add(run.workerId, bucketsOf(run), durable),
    gap: (gap: Gap) => answer.gaps.push(gap),
  };
  await reader.buckets(request, visit, never);
  return answer;
}

function collector<Item>() {
  const items = new Map<string, Item[]>();
  const durableOf = new Map<string, { bootId: string; next: number }>();
  const gaps: Gap[] = [];
  let previous: string | undefined;
  return {
    items,
    gaps,
    durable: durableOf,
    add(workerId: string, more: Item[], durable: { bootId: string; next: number }) {
      // Each worker's parts come together.
      if (workerId !== previous && items.has(workerId)) throw new Error(`${workerId} is visited twice`);
      previous = workerId;
      items.set(workerId, [...(items.get(workerId) ?? []), ...more]);
      durableOf.set(workerId, durable);
    },
  };
}
