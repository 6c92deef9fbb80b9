/** The schema of a list item. */
import { z } from '@hono/zod-openapi';
import { LANE_KINDS, LANE_STATES } from '../../model/lanes.ts';
import { STATE_CAUSES, WORKER_STATES } from '../../model/liveness.ts';
import { STUCK_REASONS } from '../../model/stuck.ts';
import type { FieldName } from '../../reading/fields.ts';

const time = (description: string) => z.iso.datetime().optional().openapi({ description });
const usage = (of: string) =>
  z
    .number()
    .nullable()
    .optional()
    .openapi({ description: `Percent of its ${of}, above 100 if it was sent so; null before its first heartbeat.` });
const flag = (description: string) => z.boolean().optional().openapi({ description });

const MEMBERS = {
  worker_id: z.string(),
  state: z.enum(WORKER_STATES).optional(),
  cause: z.enum(STATE_CAUSES).optional().openapi({ description: 'Why it is in this state.' }),
  since: time('Since when it is in this state.'),
  is_active: flag('Whether it counts as alive.'),
  stuck: z.enum(STUCK_REASONS).nullable().optional().openapi({ description: 'Why it is stuck; null if it is not.' }),
  flapping: flag('Whether it changes state too often.'),
  id_conflict: flag('Whether two instances use its id.'),
  group: z.string().nullable().optional().openapi({ description: 'Workers that may fail together.' }),
  labels: z.record(z.string(), z.string()).optional(),
  isolation: z
    .enum(LANE_KINDS)
    .optional()
    .openapi({ description: 'The kind of its lane, as `lane.kind` in its detail.' }),
  lane: z.int().optional().openapi({ description: 'The number of its lane.' }),
  lane_state: z.enum(LANE_STATES).optional(),
  interval_ms: z.int().optional().openapi({ description: 'How often it sends heartbeats; 0 while unknown.' }),
  skew_ms: z
    .int()
    .nullable()
    .optional()
    .openapi({ description: 'How far its clock is ahead; null if never measured.' }),
  restarts: z.int().optional().openapi({ description: 'How often it came back as a new instance.' }),
  missed: z.int().optional().openapi({ description: 'Heartbeats sent but never received.' }),
  registered_at: time('When the master first saw it.'),
  last_update_at: time('When its last heartbeat was accepted; before the first one, when it registered.'),
  cpu_usage: usage('CPUs'),
  memory_usage: usage('memory'),
  storage_usage: usage('storage'),
  gpu_usage: usage('GPUs'),
  has_gpu: flag('Whether it has reported a GPU. Without one, a gpu_usage of 0 is not a measurement.'),
  running_tasks_count: z.int().nullable().optional(),
  anomaly_score: z.number().nullable().optional().openapi({
    description:
      'How unusual it is for this worker, or beside its group: 0 to 1, from 0.5 on an anomaly; null while nothing is scored (see `anomaly` of the worker).',
  }),
  late: z
    .int()
    .optional()
    .openapi({ description: 'Heartbeats that a newer one overtook; only if requested by `fields`.' }),
  duplicate: z.int().optional().openapi({ description: 'Heartbeats that came twice; only if requested by `fields`.' }),
  metrics: z
    .record(z.string(), z.number())
    .nullable()
    .optional()
    .openapi({ description: 'Custom metrics; only if requested by `fields`.' }),
  telemetry: z
    .looseObject({ worker_id: z.string(), last_update: z.int(), is_active: z.boolean() })
    .optional()
    .openapi({ description: 'The answer of /telemetry/{workerID}; only if requested by `fields`.' }),
} satisfies Readonly<Record<FieldName, z.ZodType>>;

/** Members that were not requested are absent. */
export const WorkerItem = z.object(MEMBERS).openapi('WorkerItem');
