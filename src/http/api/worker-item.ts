/** What a list item looks like, for the OpenAPI document. */
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
    .openapi({ description: `Per cent of its ${of}; null before its first heartbeat.` });
const flag = (description: string) => z.boolean().optional().openapi({ description });

const MEMBERS = {
  worker_id: z.string(),
  state: z.enum(WORKER_STATES).optional(),
  cause: z.enum(STATE_CAUSES).optional().openapi({ description: 'Why it is in its state.' }),
  since: time('When it came into its state.'),
  is_active: flag('Whether it counts as alive.'),
  stuck: z.enum(STUCK_REASONS).nullable().optional().openapi({ description: 'Why it is stuck; null if it is not.' }),
  flapping: flag('Whether it keeps changing its state.'),
  id_conflict: flag('Whether two instances claim its id.'),
  group: z.string().nullable().optional().openapi({ description: 'Workers that may fail together.' }),
  labels: z.record(z.string(), z.string()).optional(),
  isolation: z
    .enum(LANE_KINDS)
    .optional()
    .openapi({ description: 'The kind of the lane that serves it: `lane.kind` of its detail.' }),
  lane: z.int().optional().openapi({ description: 'The number of that lane.' }),
  lane_state: z.enum(LANE_STATES).optional(),
  interval_ms: z.int().optional().openapi({ description: 'How often it sends; 0 as long as that is not known.' }),
  skew_ms: z
    .int()
    .nullable()
    .optional()
    .openapi({ description: 'How far its clock is ahead; null if never measured.' }),
  restarts: z.int().optional().openapi({ description: 'How often it came back as a new instance.' }),
  missed: z.int().optional().openapi({ description: 'Heartbeats that it sent and that never came.' }),
  registered_at: time('When it became known.'),
  last_update_at: time('When its last heartbeat was received, or else when it became known.'),
  cpu_usage: usage('processors'),
  memory_usage: usage('memory'),
  storage_usage: usage('storage'),
  gpu_usage: usage('graphics processors'),
  running_tasks_count: z.int().nullable().optional(),
  metrics: z
    .record(z.string(), z.number())
    .nullable()
    .optional()
    .openapi({ description: 'Its own metrics; only if it is asked for.' }),
  telemetry: z
    .looseObject({ worker_id: z.string(), last_update: z.int(), is_active: z.boolean() })
    .optional()
    .openapi({ description: 'The same as /telemetry/{workerID} answers; only if it is asked for.' }),
} satisfies Readonly<Record<FieldName, z.ZodType>>;

/** Members that were not asked for are left out. */
export const WorkerItem = z.object(MEMBERS).openapi('WorkerItem');
