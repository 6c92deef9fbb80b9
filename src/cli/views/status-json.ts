/** What `status -o json` prints, of any master. What was never received, or what a master does not tell, is null. */
import { z } from 'zod';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import type { ClusterView } from './views.ts';
import { measuredGpu } from './worker-items.ts';

/** The members of one worker that are documented, in their order; a newer master's come behind them. */
export const STATUS_FIELDS = [
  'worker_id',
  'state',
  'cause',
  'since',
  'is_active',
  'stuck',
  'flapping',
  'id_conflict',
  'group',
  'labels',
  'isolation',
  'lane',
  'interval_ms',
  'skew_ms',
  'restarts',
  'registered_at',
  'last_update_at',
  'heartbeats',
  'last_rejection',
  'last_fault',
  'record_bytes',
  'record_room_bytes',
  'history_left_out',
  'has_gpu',
  'anomaly',
  'facts',
  'record',
] as const;

const detail = z.looseObject({
  worker_id: z.string(),
  interval_ms: z.number().nullable().default(null),
  has_gpu: z.boolean().nullable().default(null),
  facts: z.looseObject({ group: z.unknown(), labels: z.unknown() }).nullable().default(null),
  record: z.looseObject({ gpu_usage: z.number() }).nullable().default(null),
});

/** One worker, of `GET /api/v1/workers/{id}`. Its group and labels stand where lists have them, too. */
export function workerStatusJson({ body }: ApiAnswer): Readonly<Record<string, unknown>> {
  const parsed = detail.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/workers/{id}');
  const { interval_ms, has_gpu, facts, record } = parsed.data;
  return inOrder({
    ...parsed.data,
    interval_ms: interval_ms === 0 ? null : interval_ms,
    group: (facts?.group ?? '') || null,
    labels: facts?.labels ?? {},
    record: record && { ...record, gpu_usage: measuredGpu(record.gpu_usage, has_gpu) },
  });
}

const legacy = z.looseObject({ worker_id: z.string(), is_active: z.boolean(), last_update: z.number() });

/** One worker, of `GET /telemetry/{id}`: of a master that tells no more. */
export function legacyStatusJson({ body }: ApiAnswer): Readonly<Record<string, unknown>> {
  const parsed = legacy.safeParse(body);
  if (!parsed.success) throw notTelemetry('/telemetry/{id}');
  const { worker_id, is_active, last_update, ...record } = parsed.data;
  return inOrder({
    worker_id,
    state: is_active ? 'active' : 'inactive',
    is_active,
    last_update_at: new Date(last_update * 1000).toISOString(),
    record: { worker_id, ...record },
  });
}

function inOrder(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { ...Object.fromEntries(STATUS_FIELDS.map((name) => [name, members[name] ?? null])), ...members };
}

/** The fleet. */
export function fleetJson({ health, holds, workers, states, tasks, means, alerts, lanes }: ClusterView) {
  return {
    status: health ?? null,
    workers: { total: workers, by_state: Object.fromEntries(states) },
    usage: {
      cpu_usage: means?.cpu ?? null,
      memory_usage: means?.memory ?? null,
      storage_usage: means?.storage ?? null,
      gpu_usage: means?.gpu ?? null,
    },
    running_tasks: tasks,
    grace: holds.graceEndsUnixMs === undefined ? null : { ends_at: timeOf(holds.graceEndsUnixMs) },
    brakes: holds.brakes.map(({ group, sinceUnixMs, endsUnixMs, silent, watched }) => ({
      group,
      since: timeOf(sinceUnixMs),
      ends_at: timeOf(endsUnixMs),
      silent,
      of: watched,
    })),
    alerts:
      alerts === undefined
        ? null
        : { firing: alerts.firing, pending: alerts.pending, firing_by_severity: alerts.firingBySeverity },
    lanes:
      lanes === undefined
        ? null
        : {
            ...lanes.counts,
            restarts: lanes.restarts,
            not_ready: Object.fromEntries(lanes.notReady),
            limit: {
              dedicated: lanes.limit.dedicated,
              limited_by: lanes.limit.limitedBy,
              setting: lanes.limit.setting,
              memory_short: lanes.limit.isMemoryShort,
            },
          },
  };
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
