/** What the routes of the earlier Go system answer, for the OpenAPI document only: these schemas validate nothing. */
import { z } from '@hono/zod-openapi';

const percentage = z.number();
const unixSeconds = z.int();

export const RunningTaskSchema = z
  .object({
    task_id: z.string(),
    cpu_allocated: z.number().openapi({ description: 'Cores.' }),
    memory_allocated: z.number().openapi({ description: 'GiB.' }),
    gpu_allocated: z.number().openapi({ description: 'Devices.' }),
    status: z.string().openapi({ description: '`running`, `paused` or `failed`; passed on as sent.' }),
    started_at_unix_ms: z.number().optional().openapi({ description: 'Unix milliseconds by the worker’s clock.' }),
    progress: z.number().optional().openapi({ description: '0 to 1.' }),
  })
  .openapi('RunningTask');

export const Gpu = z
  .object({
    index: z.int(),
    uuid: z.string(),
    name: z.string(),
    utilization_percent: z.number().optional(),
    memory_used_bytes: z.number().optional(),
    memory_total_bytes: z.number().optional(),
    temperature_celsius: z.number().optional(),
    power_watts: z.number().optional(),
    parent_uuid: z
      .string()
      .optional()
      .openapi({ description: 'For a part of a device, such as a MIG instance: the uuid of the device.' }),
  })
  .openapi('Gpu', { description: 'One device. A value that could not be measured is absent.' });

export const Telemetry = z
  .object({
    worker_id: z.string(),
    cpu_usage: percentage,
    memory_usage: percentage,
    gpu_usage: percentage,
    running_tasks: z.array(RunningTaskSchema),
    storage_usage: percentage,
    metrics: z
      .record(z.string(), z.number())
      .optional()
      .openapi({ description: 'Custom metrics; absent if there are none.' }),
    gpus: z.array(Gpu).optional().openapi({ description: 'Absent if there are none.' }),
    last_update: unixSeconds.openapi({ description: 'Unix seconds of the last accepted heartbeat.' }),
    is_active: z.boolean(),
  })
  .openapi('Telemetry', {
    description: 'A worker’s newest values; usages are percentages, 0 to 100; a larger one is shown as it was sent.',
  });

export const Summary = z
  .object({
    worker_id: z.string(),
    is_active: z.boolean(),
    running_tasks_count: z.int(),
    last_update: unixSeconds,
  })
  .openapi('Summary');

/** An error outside /api/. */
export const LegacyError = z.object({ error: z.string() }).openapi('LegacyError');
