/**
 * Workers of a list as `-o json`, `jsonl` and `csv` have them: the members of `GET /api/v1/workers`, of any master. What
 * was never received, or what a master does not tell, is null. Rows of tables are made of these.
 */
import { z } from 'zod';
import { LANE_KINDS } from '../../model/lanes.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import type { LivenessView, WorkerRow } from './views.ts';

function areTexts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string');
}

/** Not a record of zod: it would leave out a label called "__proto__". */
export const textsJson = z.custom<Readonly<Record<string, string>>>(areTexts);

const text = z.string().nullable().default(null);
const flag = z.boolean().nullable().default(null);
const number = z.number().nullable().default(null);

const workerItem = z.object({
  worker_id: z.string(),
  state: z.string(),
  cause: text,
  since: text,
  is_active: flag,
  stuck: text,
  flapping: flag,
  id_conflict: flag,
  group: text,
  labels: textsJson.nullable().default(null),
  isolation: z.enum(LANE_KINDS).nullable().default(null),
  lane: number,
  lane_state: text,
  interval_ms: number,
  skew_ms: number,
  restarts: number,
  missed: number,
  registered_at: text,
  last_update_at: z.string(),
  cpu_usage: number,
  memory_usage: number,
  storage_usage: number,
  gpu_usage: number,
  has_gpu: flag,
  running_tasks_count: number,
  anomaly_score: number,
});

/** What is known of a worker's liveness: the members of `pulselane liveness`. */
const livenessItem = workerItem
  .pick({
    worker_id: true,
    state: true,
    cause: true,
    since: true,
    is_active: true,
    stuck: true,
    flapping: true,
    id_conflict: true,
    interval_ms: true,
    skew_ms: true,
    restarts: true,
    missed: true,
    last_update_at: true,
  })
  .extend({ late: number, duplicate: number });

export type LivenessItem = z.infer<typeof livenessItem>;
export const LIVENESS_FIELDS = Object.keys(livenessItem.shape) as readonly (keyof LivenessItem)[];

/** In the order in which they are printed. */
export type WorkerItem = z.infer<typeof workerItem>;

/** The columns of CSV, and the documented members of JSON. */
export const WORKER_FIELDS = Object.keys(workerItem.shape) as readonly (keyof WorkerItem)[];

/** The workers of pages of `GET /api/v1/workers`, and how many there are on all pages of that list. */
export function workerItemsOf(pages: readonly ApiAnswer[]): { items: WorkerItem[]; total: number } {
  let total: number | undefined;
  const items = pages.flatMap(({ body }) => {
    const parsed = z.object({ workers: z.array(workerItem), total: z.number().optional() }).safeParse(body);
    if (!parsed.success) throw notTelemetry('/api/v1/workers');
    total ??= parsed.data.total;
    return parsed.data.workers.map(withoutZeros);
  });
  return { items, total: total ?? items.length };
}

/** The same of pages with {@link LIVENESS_FIELDS}. */
export function livenessItemsOf(pages: readonly ApiAnswer[]): { items: LivenessItem[]; total: number } {
  let total: number | undefined;
  const items = pages.flatMap(({ body }) => {
    const parsed = z.object({ workers: z.array(livenessItem), total: z.number().optional() }).safeParse(body);
    if (!parsed.success) throw notTelemetry('/api/v1/workers');
    total ??= parsed.data.total;
    return parsed.data.workers.map((item) => ({ ...item, interval_ms: item.interval_ms || null }));
  });
  return { items, total: total ?? items.length };
}

/** A row that has nothing but its liveness. @param atUnixMs when the list was made */
export function rowOfLivenessItem(item: LivenessItem, atUnixMs: number): WorkerRow {
  return {
    workerId: item.worker_id,
    state: item.state,
    liveness: livenessOf(item, atUnixMs),
    usages: undefined,
    tasks: 0,
    anomalyScore: undefined,
    ageMs: Math.max(0, atUnixMs - Date.parse(item.last_update_at)),
    lane: undefined,
    group: undefined,
    labels: undefined,
  };
}

/** Zeros that say "unknown" are null here. */
function withoutZeros(item: WorkerItem): WorkerItem {
  return {
    ...item,
    interval_ms: item.interval_ms === 0 ? null : item.interval_ms,
    gpu_usage: measuredGpu(item.gpu_usage, item.has_gpu),
  };
}

/** A usage of 0 of a worker without a graphics processor is no measurement. @param hasGpu null: the master does not tell */
export function measuredGpu(usage: number | null, hasGpu: boolean | null): number | null {
  return usage === 0 && hasGpu === false ? null : usage;
}

/** @param atUnixMs when the list was made */
export function rowOfItem(item: WorkerItem, atUnixMs: number): WorkerRow {
  const { cpu_usage: cpu, memory_usage: memory, storage_usage: storage, gpu_usage: gpu } = item;
  const { isolation: kind, lane, lane_state: state } = item;
  const hasRecord = [cpu, memory, storage, gpu].some((value) => value !== null);
  return {
    workerId: item.worker_id,
    state: item.state,
    liveness: livenessOf(item, atUnixMs),
    usages: hasRecord
      ? { cpu: known(cpu), memory: known(memory), storage: known(storage), gpu: known(gpu) }
      : undefined,
    tasks: item.running_tasks_count ?? 0,
    anomalyScore: known(item.anomaly_score),
    ageMs: Math.max(0, atUnixMs - Date.parse(item.last_update_at)),
    // Restarts of lanes are not told in lists.
    lane: kind === null || lane === null ? undefined : { number: lane, kind, state: state ?? 'ready', restarts: 0 },
    // Of a legacy master, neither is known.
    group: item.labels === null ? undefined : (item.group ?? ''),
    labels: known(item.labels),
  };
}

/** Undefined of a legacy master. */
function livenessOf(
  item: Omit<LivenessItem, 'late' | 'duplicate'> & Partial<LivenessItem>,
  atUnixMs: number,
): LivenessView | undefined {
  const { cause, since, stuck, flapping, id_conflict, interval_ms, skew_ms, missed, late, duplicate, restarts } = item;
  if (cause === null || since === null) return undefined;
  return {
    forMs: Math.max(0, atUnixMs - Date.parse(since)),
    cause,
    stuck: known(stuck),
    isFlapping: flapping === true,
    hasConflict: id_conflict === true,
    intervalMs: interval_ms ?? 0,
    skewMs: known(skew_ms),
    missed: missed ?? 0,
    // Told only where they are shown.
    late: late ?? 0,
    duplicate: duplicate ?? 0,
    restarts: restarts ?? 0,
  };
}

function known<Value>(value: Value | null): Value | undefined {
  return value ?? undefined;
}

const legacyWorker = z.object({
  worker_id: z.string(),
  is_active: z.boolean(),
  last_update: z.number(),
  cpu_usage: number,
  memory_usage: number,
  storage_usage: number,
  gpu_usage: number,
  running_tasks: z.array(z.unknown()).default([]),
});

/** The workers of `GET /telemetry`, by id: of a master that has no other list. */
export function legacyItemsOf({ body }: ApiAnswer): WorkerItem[] {
  if (typeof body !== 'object' || body === null) throw notTelemetry('/telemetry');
  // Not as one record: an id such as "__proto__" must not be lost on the way.
  return Object.values(body)
    .map((value) => {
      const parsed = legacyWorker.safeParse(value);
      if (!parsed.success) throw notTelemetry('/telemetry');
      const { is_active, last_update, running_tasks, ...told } = parsed.data;
      return workerItem.parse({
        ...told,
        state: is_active ? 'active' : 'inactive',
        is_active,
        last_update_at: new Date(last_update * 1000).toISOString(),
        running_tasks_count: running_tasks.length,
      });
    })
    .sort((left, right) => (left.worker_id < right.worker_id ? -1 : Number(left.worker_id > right.worker_id)));
}
