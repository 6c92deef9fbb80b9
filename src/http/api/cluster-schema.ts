/** The schema of the fleet-wide figures. */
import { z } from '@hono/zod-openapi';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import { WORKER_STATES } from '../../model/liveness.ts';
import { Brake, Grace } from './holds-schema.ts';

const counts = <Name extends string>(names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);

const figure = z.number().nullable();
const Usage = z
  .object({
    sum: z.number(),
    mean: figure,
    min: figure,
    max: figure,
    p50: figure,
    p90: figure,
    p95: figure,
    p99: figure,
  })
  .openapi('UsageFigures', {
    description:
      'Percentages over active workers that have sent a heartbeat. A percentile is the nearest rank: the smallest value that ' +
      'at least that share of workers does not exceed. Null if there is no such worker.',
  });

export const Cluster = z
  .object({
    workers: z.object({ total: z.int(), active: z.int(), by_state: counts(WORKER_STATES) }),
    groups: z
      .int()
      .openapi({ description: 'Groups with at least one worker; workers without a group are not counted.' }),
    usage: z.object({
      workers: z.int().openapi({ description: 'The number of workers in these figures: active and with a heartbeat.' }),
      cpu_usage: Usage,
      memory_usage: Usage,
      storage_usage: Usage,
      gpu_usage: Usage,
      gpu_workers: z
        .int()
        .openapi({ description: 'Those of them that have a GPU; the others count as 0 in gpu_usage.' }),
    }),
    running_tasks: z.int().openapi({ description: 'On active workers.' }),
    heartbeats: z.object({
      total: z
        .int()
        .openapi({ description: 'Accepted since the start, including those of workers that were forgotten since.' }),
      per_second: z.number().openapi({ description: 'The recent rate of accepted heartbeats.' }),
      missed: z
        .int()
        .openapi({ description: 'Sent but never received. This and the following: of the present workers.' }),
      rejected: z.int(),
      replaced_by_reason: counts(REPLACEMENT_REASONS),
      lost_by_cause: counts(FAULT_CAUSES),
    }),
    lanes: z
      .object(
        Object.fromEntries(LANE_KINDS.map((kind) => [kind, counts(LANE_STATES)])) as Record<
          (typeof LANE_KINDS)[number],
          ReturnType<typeof counts<(typeof LANE_STATES)[number]>>
        >,
      )
      .openapi({ description: 'Lanes with workers, by kind and state.' }),
    flags: z.object({ stuck: z.int(), flapping: z.int(), id_conflict: z.int() }),
    grace: Grace.nullable(),
    brakes: z.array(Brake),
    anomalies: z
      .object({
        scored: z.int().openapi({ description: 'Active workers with a score.' }),
        anomalous: z.int().openapi({ description: 'Of these, how many have a score of at least 0.5.' }),
        rate: z.number().openapi({ description: 'The share of these: 0 to 1.' }),
      })
      .nullable()
      .openapi({ description: 'Null while nothing is scored, and with ANOMALIES or ALERTS off.' }),
    alerts: z
      .object({
        firing: z.int(),
        pending: z.int(),
        firing_by_severity: z.record(z.string(), z.int()),
      })
      .nullable()
      .openapi({ description: 'Null: ALERTS is off, or no rule was evaluated yet.' }),
    live_clients: z.int(),
    revision: z.string(),
  })
  .openapi('Cluster');

export type ClusterJson = z.input<typeof Cluster>;
