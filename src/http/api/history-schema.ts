/** Schemas of the answers of history. */
import { z } from '@hono/zod-openapi';
import { HISTORY_ERROR_KINDS } from '../../history/history-error.ts';
import { ANSWER_GAP_REASONS } from '../../history/query/gaps.ts';
import { TIERS } from '../../history/samples.ts';
import { moment } from './schemas.ts';

export const HistoryGap = z
  .object({
    from: moment('When it begins.'),
    to: moment('When it ends.'),
    reason: z.enum(ANSWER_GAP_REASONS).openapi({
      description:
        '`samples_lost`: samples were overwritten, or could not be stored. `master_down`: no master was running, or only one with HISTORY=off. `worker_inactive`: the worker sent nothing. `damaged`: a part of the database cannot be read. `not_kept`: older than what is kept. `clock_set`: the master’s clock was set. `database_away`: the database does not answer, and the master no longer has these samples in memory.',
    }),
    lost: z.int().optional().openapi({ description: 'How many samples are missing; absent if that is unknown.' }),
  })
  .openapi('HistoryGap');

const POINT = {
  at: moment('When the sample was received, or the beginning of the step: a multiple of it since 1970.'),
  min: z.number(),
  max: z.number(),
  mean: z.number(),
  last: z.number().openapi({ description: 'The value received last.' }),
  count: z.int().openapi({ description: 'How many samples.' }),
};
const Point = z.object(POINT).openapi('HistoryPoint');

const AggregatePoint = z
  .object({
    ...POINT,
    value: z.number().nullable().openapi({ description: 'The aggregate; null if it is not a finite number.' }),
    workers: z.int().openapi({ description: 'How many workers have values in the step.' }),
    mean: z.number().nullable(),
    last: z.number().nullable().openapi({ description: 'The value received last; null for several workers.' }),
  })
  .openapi('HistoryAggregatePoint');

const SERIES = {
  metric: z.string().openapi({ description: 'Its key.' }),
  step_ms: z.int().openapi({ description: '0: each point is a sample.' }),
  tier: z.enum(TIERS).openapi({
    description: 'What it was computed from: samples (`raw`), or values of each minute (`1m`) or hour (`1h`).',
  }),
  points: z.array(Point).openapi({ description: 'Steps without samples are absent.' }),
  gaps: z.array(HistoryGap).openapi({ description: 'Known times without samples, and why.' }),
};

const RANGE = {
  from: moment('The beginning of the range.'),
  to: moment('Its end, which does not belong to it.'),
  degraded: z
    .object({ code: z.enum(HISTORY_ERROR_KINDS), detail: z.string() })
    .optional()
    .openapi({
      description:
        'Present if the database does not answer: the answer then has what the master has in memory, and may lack the rest.',
    }),
};

const SERIES_OF_WORKER = z.object(SERIES).openapi('HistorySeries');

/** One metric: its series. Several: a list of them. */
export const WorkerHistory = z
  .union([
    z.object({ worker_id: z.string(), ...RANGE, ...SERIES }).openapi('WorkerHistoryOfOne'),
    z.object({ worker_id: z.string(), ...RANGE, series: z.array(SERIES_OF_WORKER) }).openapi('WorkerHistoryOfSeveral'),
  ])
  .openapi('WorkerHistory');

export const FleetHistory = z
  .object({
    workers: z.int().openapi({ description: 'How many workers the query is about.' }),
    ...RANGE,
    series: z.array(
      z
        .object({
          worker_id: z.string().nullable().openapi({ description: 'Null if the series is of several workers.' }),
          member: z.string().nullable().openapi({
            description: 'The group, or the value of the label, that `by` names; null without `by`.',
          }),
          ...SERIES,
          points: z.array(z.union([Point, AggregatePoint])),
        })
        .openapi('FleetHistorySeries'),
    ),
  })
  .openapi('FleetHistory');

const SAMPLE = { at: '2026-11-23T17:54:55.104Z', min: 14.9, max: 14.9, mean: 14.9, last: 14.9, count: 1 };

export const WORKER_HISTORY: z.input<typeof WorkerHistory> = {
  worker_id: 'worker-1',
  from: '2026-11-23T16:54:55.000Z',
  to: '2026-11-23T17:54:55.001Z',
  metric: 'cpu_usage',
  step_ms: 0,
  tier: 'raw',
  points: [{ ...SAMPLE, at: '2026-11-23T17:54:50.101Z' }, SAMPLE],
  gaps: [{ from: '2026-11-23T17:01:00.000Z', to: '2026-11-23T17:03:20.000Z', reason: 'master_down' }],
};

export const FLEET_HISTORY: z.input<typeof FleetHistory> = {
  workers: 3,
  from: '2026-11-23T16:54:55.000Z',
  to: '2026-11-23T17:54:55.001Z',
  series: [
    {
      worker_id: null,
      member: 'rack-7',
      metric: 'cpu_usage',
      step_ms: 60_000,
      tier: '1m',
      points: [
        {
          at: '2026-11-23T17:54:00.000Z',
          value: 42.7,
          workers: 3,
          min: 3.2,
          max: 24.5,
          mean: 14.2,
          last: null,
          count: 33,
        },
      ],
      gaps: [],
    },
  ],
};
