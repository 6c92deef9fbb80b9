/**
 * Views of a master elsewhere, from what its HTTP API answers. Checked, since `--url` may lead anywhere; members that
 * came after the legacy system may be missing, so that one of its masters is shown too.
 */
import { z } from 'zod';
import type { AlertTotals } from '../../model/alerts-status.ts';
import type { Holds } from '../../model/holds.ts';
import { ISOLATIONS } from '../../model/isolation.ts';
import { FAULT_CAUSES, LANE_KINDS, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import { telemetryOfJson } from '../../model/record-json.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import {
  type ClusterTotals,
  type ClusterView,
  HEARD_STATES,
  type LanesView,
  lanesView,
  type PendingRow,
  type WorkerDetailView,
  type WorkerInside,
} from './views.ts';
import { measuredGpu, textsJson } from './worker-items.ts';

const finite = z.number().default(0);

const taskJson = z.object({
  task_id: z.string(),
  cpu_allocated: finite,
  memory_allocated: finite,
  gpu_allocated: finite,
  status: z.string().default(''),
  started_at_unix_ms: z.number().exactOptional(),
  progress: z.number().exactOptional(),
});

const gpuJson = z.object({
  index: finite,
  uuid: z.string().default(''),
  name: z.string().default(''),
  utilization_percent: z.number().exactOptional(),
  memory_used_bytes: z.number().exactOptional(),
  memory_total_bytes: z.number().exactOptional(),
  temperature_celsius: z.number().exactOptional(),
  power_watts: z.number().exactOptional(),
  parent_uuid: z.string().exactOptional(),
});

/** Not a record of zod: it would leave out a metric called "__proto__". */
function areNumbers(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'number');
}

const workerJson = z.object({
  worker_id: z.string(),
  cpu_usage: finite,
  memory_usage: finite,
  gpu_usage: finite,
  storage_usage: finite,
  running_tasks: z.array(taskJson).default([]),
  gpus: z.array(gpuJson).default([]),
  metrics: z.custom<Readonly<Record<string, number>>>(areNumbers).default({}),
  last_update: z.number(),
  is_active: z.boolean(),
});

const holdsJson = z.object({
  grace: z.object({ ends_at: z.string() }).nullish(),
  brakes: z
    .array(z.object({ group: z.string(), since: z.string(), ends_at: z.string(), silent: finite, of: finite }))
    .default([]),
});
const healthJson = holdsJson.extend({ status: z.string() });

/** What the legacy system has no word for: of one worker, and of each in the list. */
const standingJson = z.object({
  state: z.string(),
  cause: z.string(),
  since: z.string(),
  stuck: z.string().nullable(),
  flapping: z.boolean(),
  id_conflict: z.boolean(),
  interval_ms: z.number(),
  skew_ms: z.number().nullable(),
  restarts: z.number(),
});

/** Of `GET /api/v1/workers/{id}`. */
const livenessJson = standingJson.extend({
  heartbeats: z.object({ missed: z.number(), late: z.number(), duplicate: z.number() }),
});

/** A count for each name; a master of before a name came counts 0 of it. */
function countsJson<K extends string>(names: readonly K[]) {
  return z.object(Object.fromEntries(names.map((name) => [name, finite])) as { readonly [Name in K]: typeof finite });
}

/** What the prompt of that master tells of the inside of it. */
const insideJson = z.object({
  registered_at: z.string(),
  lane: z.object({ number: z.number(), kind: z.enum(LANE_KINDS), state: z.string(), restarts: z.number() }),
  isolation: z
    .object({ decided: z.enum(ISOLATIONS), wished: z.string().nullable() })
    .default({ decided: 'auto', wished: null }),
  heartbeats: z.object({
    accepted: z.number(),
    applied: z.number(),
    rejected: z.number(),
    replaced: z.number(),
    replaced_by_reason: countsJson(REPLACEMENT_REASONS),
    lost: z.number(),
    lost_by_cause: countsJson(FAULT_CAUSES),
  }),
  last_rejection: z.object({ reason: z.string(), at: z.string() }).nullable(),
  record_bytes: z.number(),
  record_room_bytes: z.number(),
  history_left_out: z.object({ metrics: z.number(), names: z.array(z.string()) }).default({ metrics: 0, names: [] }),
  last_fault: z.object({ cause: z.enum(FAULT_CAUSES), reason: z.string(), at: z.string() }).nullable(),
  facts: z
    .object({
      group: z.string(),
      labels: textsJson,
      ephemeral: z.boolean(),
      ip: z.string(),
      agent_version: z.string(),
      instance_id: z.string(),
      capacity: z.object({
        cpu_cores: z.number(),
        memory_gib: z.number(),
        storage_gib: z.number(),
        gpus: z.number(),
      }),
    })
    .nullable(),
  record: z.object({ host_loop_lag_ms: finite.nullable(), last_round_trip_ms: finite.nullable() }).nullable(),
});

const pendingJson = z.object({
  workers: z.array(
    z.object({ worker_id: z.string(), first_seen_at: z.string(), last_seen_at: z.string(), attempts: z.number() }),
  ),
});

export type PendingItem = z.infer<typeof pendingJson>['workers'][number];

/** Of `GET /api/v1/pending`. */
export function pendingItemsOf({ body }: ApiAnswer): PendingItem[] {
  const parsed = pendingJson.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/pending');
  return parsed.data.workers;
}

/** @param atUnixMs when the list was made */
export function pendingRowOf({ worker_id, first_seen_at, last_seen_at, attempts }: PendingItem, atUnixMs: number) {
  return {
    workerId: worker_id,
    firstSeenMs: Math.max(0, atUnixMs - Date.parse(first_seen_at)),
    lastSeenMs: Math.max(0, atUnixMs - Date.parse(last_seen_at)),
    attempts,
  } satisfies PendingRow;
}

/** The worker of `GET /telemetry/{id}`: of a master that tells no more. */
export function legacyDetailOf({ body, atUnixMs }: ApiAnswer): WorkerDetailView {
  return detailOf(body, atUnixMs, '/telemetry/{id}');
}

const recordIn = z.object({
  worker_id: z.string(),
  is_active: z.boolean(),
  last_update_at: z.string(),
  has_gpu: z.boolean().nullable().default(null),
  record: z.looseObject({}).nullable(),
});

/** Null: nothing is scored, or the master does not tell. */
const anomalyIn = z.looseObject({
  anomaly: z.object({ score: z.number(), text: z.string().nullable() }).nullable().catch(null),
});

/** The worker of `GET /api/v1/workers/{id}`. */
export function workerDetailOf({ body, atUnixMs }: ApiAnswer): WorkerDetailView {
  const told = recordIn.safeParse(body);
  const parsed = livenessJson.safeParse(body);
  if (!told.success || !parsed.success) throw notTelemetry('/api/v1/workers/{id}');
  const { worker_id, is_active, last_update_at, has_gpu, record } = told.data;
  const telemetry = { ...record, worker_id, is_active, last_update: Date.parse(last_update_at) / 1000 };
  const detail = detailOf(telemetry, atUnixMs, '/api/v1/workers/{id}');
  const { state, cause, since, stuck, interval_ms, skew_ms, restarts, heartbeats } = parsed.data;
  const liveness = {
    forMs: Math.max(0, atUnixMs - Date.parse(since)),
    cause,
    stuck: stuck ?? undefined,
    isFlapping: parsed.data.flapping,
    hasConflict: parsed.data.id_conflict,
    intervalMs: interval_ms,
    skewMs: skew_ms ?? undefined,
    ...heartbeats,
    restarts,
  };
  // Where there is no record, nothing was ever received.
  const { usages: given } = detail;
  const gpu = measuredGpu(given?.gpu ?? null, has_gpu) ?? undefined;
  const usages = record === null || given === undefined ? undefined : { ...given, gpu };
  const { anomaly } = anomalyIn.parse(body);
  const scored = { anomalyScore: anomaly?.score, anomaly: anomaly?.text ?? undefined };
  const known = { ...detail, state, liveness, usages, ...scored };
  const inside = insideJson.safeParse(body);
  if (!inside.success) return known;
  const { lane, facts } = inside.data;
  const insideView = insideOf(inside.data, atUnixMs);
  return { ...known, lane, group: facts?.group ?? '', labels: facts?.labels ?? {}, inside: insideView };
}

function insideOf(inside: z.infer<typeof insideJson>, atUnixMs: number): WorkerInside {
  const { heartbeats, last_rejection: rejection, last_fault: fault, facts, record } = inside;
  const { replaced_by_reason: replacedBy, lost_by_cause: lostBy, ...counts } = heartbeats;
  const sinceMs = (time: string) => Math.max(0, atUnixMs - Date.parse(time));
  return {
    registeredUnixMs: Date.parse(inside.registered_at),
    counts: { ...counts, replacedBy, lostBy },
    record: { bytes: inside.record_bytes, roomBytes: inside.record_room_bytes },
    leftOut: { count: inside.history_left_out.metrics, names: inside.history_left_out.names },
    rejection: rejection === null ? undefined : { reason: rejection.reason, ageMs: sinceMs(rejection.at) },
    fault: fault === null ? undefined : { cause: fault.cause, reason: fault.reason, ageMs: sinceMs(fault.at) },
    isolation: { decided: inside.isolation.decided, wishesOwn: inside.isolation.wished !== null },
    // The API does not tell these.
    sharesWith: [],
    address: undefined,
    timing:
      record === null
        ? undefined
        : { hostLoopLagMs: record.host_loop_lag_ms ?? 0, lastRoundTripMs: record.last_round_trip_ms ?? 0 },
    facts:
      facts === null
        ? undefined
        : {
            totalCpu: facts.capacity.cpu_cores,
            totalMemoryGib: facts.capacity.memory_gib,
            totalStorageGib: facts.capacity.storage_gib,
            totalGpu: facts.capacity.gpus,
            ip: facts.ip,
            labels: facts.labels,
            group: facts.group,
            ephemeral: facts.ephemeral,
            instanceId: facts.instance_id,
            agentVersion: facts.agent_version,
          },
  };
}

const lanesJson = z.object({
  lanes: z.array(z.object({ kind: z.enum(LANE_KINDS), state: z.string(), restarts: z.number() })),
  limit: z.object({ dedicated: z.number(), limited_by: z.string(), setting: z.string(), memory_short: z.boolean() }),
});

/** Of `GET /api/v1/lanes`, which leaves out lanes that serve nobody; undefined if the master does not tell the limit. */
function lanesIn(answer: ApiAnswer | undefined): LanesView | undefined {
  const parsed = lanesJson.safeParse(answer?.body);
  if (!parsed.success) return undefined;
  const { dedicated, limited_by: limitedBy, setting, memory_short: isMemoryShort } = parsed.data.limit;
  return lanesView(parsed.data.lanes, { dedicated, limitedBy, setting, isMemoryShort });
}

/** From `GET /health`, what is known of the workers, and `GET /api/v1/lanes`, if there is such a route. */
const alertTotalsJson = z.object({
  firing: z.number(),
  pending: z.number(),
  firing_by_severity: z.record(z.string(), z.number()),
});

/** Of `GET /api/v1/cluster`; undefined: the master tells of none. */
export function alertTotalsOf({ body }: ApiAnswer): AlertTotals | undefined {
  const parsed = z.object({ alerts: alertTotalsJson.nullish() }).safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/cluster');
  const { alerts } = parsed.data;
  if (alerts === null || alerts === undefined) return undefined;
  return { firing: alerts.firing, pending: alerts.pending, firingBySeverity: alerts.firing_by_severity };
}

export function clusterViewOf(
  health: ApiAnswer,
  totals: ClusterTotals,
  lanes?: ApiAnswer,
  alerts?: AlertTotals,
): ClusterView {
  const parsed = healthJson.safeParse(health.body);
  if (!parsed.success) throw notTelemetry('/health');
  const { status, ...holds } = parsed.data;
  return { health: status, holds: holdsIn(holds), ...totals, lanes: lanesIn(lanes), alerts, inside: undefined };
}

const mean = z.object({ sum: z.number().optional(), mean: z.number().nullable() });
const clusterJson = z.object({
  workers: z.object({ total: z.number(), by_state: z.record(z.string(), z.number()) }),
  usage: z.object({
    cpu_usage: mean,
    memory_usage: mean,
    storage_usage: mean,
    gpu_usage: mean,
    gpu_workers: z.number().optional(),
  }),
  running_tasks: z.number(),
});

/** Of `GET /api/v1/cluster`: the states are those that the list of workers tells. */
export function totalsOfCluster({ body }: ApiAnswer): ClusterTotals {
  const parsed = clusterJson.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/cluster');
  const { workers, usage, running_tasks: tasks } = parsed.data;
  const states = Object.entries(workers.by_state).filter(([, howMany]) => howMany > 0);
  const { mean: cpu } = usage.cpu_usage;
  // While nobody was heard since a restart, the figures are of values from before it: those say nothing of now.
  const isHeard = states.some(([state]) => HEARD_STATES.has(state));
  return {
    workers: workers.total,
    states: new Map(states),
    tasks: isHeard ? tasks : 0,
    means:
      !isHeard || cpu === null
        ? undefined
        : {
            cpu,
            memory: usage.memory_usage.mean ?? undefined,
            gpu: gpuMean(usage),
            storage: usage.storage_usage.mean ?? undefined,
          },
  };
}

/** Over the workers that have a graphics processor: the others add nothing to the sum. */
function gpuMean({ gpu_usage, gpu_workers }: z.infer<typeof clusterJson>['usage']): number | undefined {
  if (gpu_workers === undefined || gpu_usage.sum === undefined) return gpu_usage.mean ?? undefined;
  return gpu_workers === 0 ? undefined : gpu_usage.sum / gpu_workers;
}

/** Of `GET /api/v1/holds`. */
export function holdsOf({ body }: ApiAnswer): Holds {
  const parsed = holdsJson.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/holds');
  return holdsIn(parsed.data);
}

function holdsIn({ grace, brakes }: z.infer<typeof holdsJson>): Holds {
  return {
    graceEndsUnixMs: grace ? Date.parse(grace.ends_at) : undefined,
    brakes: brakes.map(({ group, since, ends_at, silent, of }) => ({
      group,
      sinceUnixMs: Date.parse(since),
      endsUnixMs: Date.parse(ends_at),
      silent,
      watched: of,
    })),
  };
}

const messageJson = z.object({ message: z.string() });

/** What the master says that it did. */
export function messageIn({ body }: ApiAnswer): string {
  const parsed = messageJson.safeParse(body);
  if (!parsed.success) throw notTelemetry('a command');
  return parsed.data.message;
}

function detailOf(value: unknown, atUnixMs: number, route: string): WorkerDetailView {
  const parsed = workerJson.safeParse(value);
  if (!parsed.success) throw notTelemetry(route);
  const worker = telemetryOfJson(parsed.data);
  return {
    workerId: worker.workerId,
    state: worker.isActive ? 'active' : 'inactive',
    liveness: undefined,
    usages: {
      cpu: worker.cpuUsage,
      memory: worker.memoryUsage,
      gpu: worker.gpuUsage,
      storage: worker.storageUsage,
    },
    tasks: worker.runningTasks.length,
    anomalyScore: undefined,
    ageMs: Math.max(0, atUnixMs - worker.lastUpdate * 1000),
    lane: undefined,
    group: undefined,
    labels: undefined,
    runningTasks: worker.runningTasks,
    gpus: worker.gpus,
    metrics: worker.metrics,
    anomaly: undefined,
    inside: undefined,
  };
}
