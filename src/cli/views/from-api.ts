/**
 * Views of a master elsewhere, from what its HTTP API answers. Checked, since `--url` may lead anywhere; members that
 * came after the seed may be missing, so that a master of the seed is shown too.
 */
import { z } from 'zod';
import { PulselaneError } from '../../lib/errors.ts';
import { telemetryOfJson } from '../../model/record-json.ts';
import { byId, type ClusterView, totalsOf, type WorkerDetail, type WorkerRow } from './views.ts';

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

const healthJson = z.object({ status: z.string() });

/** An answer and when, by the master's own clock, it was given: ages are told by one clock alone. */
export interface Answer {
  readonly body: unknown;
  readonly atUnixMs: number;
}

/** Every worker of `GET /telemetry`, by id. */
export function workerRowsOf(telemetry: Answer): WorkerRow[] {
  const { body, atUnixMs } = telemetry;
  if (typeof body !== 'object' || body === null) throw notTelemetry('/telemetry');
  // Not as one record: an id such as "__proto__" must not be lost on the way.
  return Object.values(body)
    .map((value) => detailOf(value, atUnixMs, '/telemetry'))
    .sort(byId);
}

/** The worker of `GET /telemetry/{id}`. */
export function workerDetailOf({ body, atUnixMs }: Answer): WorkerDetail {
  return detailOf(body, atUnixMs, '/telemetry/{id}');
}

/** From `GET /health` and `GET /telemetry`. */
export function clusterViewOf(health: Answer, telemetry: Answer): ClusterView {
  const parsed = healthJson.safeParse(health.body);
  if (!parsed.success) throw notTelemetry('/health');
  return { health: parsed.data.status, ...totalsOf(workerRowsOf(telemetry)), inside: undefined };
}

function detailOf(value: unknown, atUnixMs: number, route: string): WorkerDetail {
  const parsed = workerJson.safeParse(value);
  if (!parsed.success) throw notTelemetry(route);
  const worker = telemetryOfJson(parsed.data);
  return {
    workerId: worker.workerId,
    state: worker.isActive ? 'active' : 'inactive',
    usages: {
      cpu: worker.cpuUsage,
      memory: worker.memoryUsage,
      gpu: worker.gpuUsage,
      storage: worker.storageUsage,
    },
    tasks: worker.runningTasks.length,
    ageMs: Math.max(0, atUnixMs - worker.lastUpdate * 1000),
    lane: undefined,
    runningTasks: worker.runningTasks,
    gpus: worker.gpus,
    metrics: worker.metrics,
    inside: undefined,
  };
}

function notTelemetry(route: string): PulselaneError {
  return new PulselaneError('environment', `the answer to ${route} is not that of a Pulselane master`);
}
