/** `POST /api/v1/history/query`: what the metrics of several workers were, each by itself or as aggregates. */
import { createRoute, z } from '@hono/zod-openapi';
import { AGGREGATES } from '../../history/query/aggregate.ts';
import { MAX_POINTS } from '../../history/query/plan.ts';
import { MAX_QUERY_WORKERS } from '../../history/query/queries.ts';
import { DEFAULT_POINTS, MIN_POINTS, rangeOf, stepWishOf } from '../../history/query/request.ts';
import { isFilter, readCriteria } from '../../reading/criteria.ts';
import { acceptsGzip } from '../answers/encoding.ts';
import { sendBody } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { FLEET_HISTORY, FleetHistory } from '../api/history-schema.ts';
import { body, oneOf } from '../api/parameters.ts';
import { jsonAnswer, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { FILTERS_IN_WORDS } from '../api/selection-query.ts';
import type { AppContext } from '../context.ts';
import { historyIsOff, isRefused, problemOfQuery, refusal, signalOf } from '../history/refusals.ts';
import type { HistoryAnswers, Refused } from '../history/tasks.ts';
import { MAX_METRICS_NAMED, MAX_WORKERS_NAMED } from '../http-limits.ts';
import { METRICS_IN_WORDS, TIMES_IN_WORDS } from './worker-history.ts';

const text = (expected: string) => z.string({ error: `expected ${expected}` });
/** A number of seconds may also be a JSON number. */
const textOrNumber = (expected: string) =>
  z
    .union([z.string(), z.number()], { error: `expected ${expected}` })
    .transform(String)
    .openapi({ type: ['string', 'number'] });

const Filters = z
  .record(z.string(), z.union([z.string(), z.number()]).transform(String), {
    error: 'expected an object with a text or a number for each filter',
  })
  .superRefine((filters, context) => {
    for (const name of Object.keys(filters)) {
      if (isFilter(name)) continue;
      const message =
        'unknown filter; expected one of state, group, isolation, prefix, label.<name>, min.<field>, max.<field>';
      context.addIssue({ code: 'custom', path: [name], message });
    }
    for (const { name, detail } of readCriteria(filters).mistakes) {
      context.addIssue({ code: 'custom', path: [name], message: detail });
    }
  });

const Query = body({
  metrics: z
    .array(text('a metric'), { error: 'expected a list of metrics' })
    .min(1, 'expected at least one metric')
    .max(MAX_METRICS_NAMED, `expected at most ${MAX_METRICS_NAMED} metrics`)
    .openapi({ description: `One or several of: ${METRICS_IN_WORDS}.` }),
  from: textOrNumber('a time')
    .optional()
    .openapi({ description: `The beginning: ${TIMES_IN_WORDS}. Default: \`-1h\`.` }),
  to: textOrNumber('a time')
    .optional()
    .openapi({ description: 'The end, which does not belong to the range. Default: `now`.' }),
  step: textOrNumber('a duration').optional().openapi({
    description:
      'How much time a point stands for: `30s`, `5m`, `1h`, or a number of seconds. Default: the smallest step that fits.',
  }),
  points: z
    .int({ error: `expected a whole number from ${MIN_POINTS} to ${MAX_POINTS}` })
    .min(MIN_POINTS, `expected a whole number from ${MIN_POINTS} to ${MAX_POINTS}`)
    .max(MAX_POINTS, `expected a whole number from ${MIN_POINTS} to ${MAX_POINTS}`)
    .optional()
    .openapi({ description: `The most points per series. Default: ${DEFAULT_POINTS}.` }),
  workers: z
    .array(text('a worker id'), { error: 'expected a list of worker ids' })
    .min(1, 'expected at least one worker id')
    .max(MAX_WORKERS_NAMED, `expected at most ${MAX_WORKERS_NAMED} worker ids; select more by filters`)
    .optional()
    .openapi({ description: 'These workers, also if they were removed. Not together with `filters`.' }),
  filters: Filters.optional().openapi({
    description: `Present workers that pass these filters of \`GET /api/v1/workers\`; default: all. ${FILTERS_IN_WORDS}`,
  }),
  forgotten: z.boolean({ error: 'expected true or false' }).optional().openapi({
    description:
      'Also workers that were removed and have history. The only filter that they pass is `prefix`. Default: false.',
  }),
  over_time: oneOf(AGGREGATES).optional().openapi({
    description:
      'One value per worker and step, of its samples. Percentiles need the samples themselves, which are kept for HISTORY_RAW. Default: `avg`, if `over_workers` is given.',
  }),
  over_workers: oneOf(AGGREGATES).optional().openapi({
    description: 'One value per step, of the workers’ values of that step. Default: a series for each worker.',
  }),
  by: text('group or label.<name>')
    .regex(/^(?:group|label\..+)$/, 'expected group or label.<name>')
    .optional()
    .openapi({
      description: 'With `over_workers`: a series for each `group`, or for each value of a label (`label.<name>`).',
    }),
}).superRefine(({ workers, filters, forgotten, over_workers, by }, context) => {
  const wrong = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message });
  if (workers !== undefined && filters !== undefined) wrong('filters', 'not possible together with workers');
  if (workers !== undefined && forgotten !== undefined) wrong('forgotten', 'not possible together with workers');
  if (by !== undefined && over_workers === undefined) wrong('by', 'only together with over_workers');
});

const EXAMPLE: z.input<typeof Query> = {
  metrics: ['cpu_usage'],
  from: '-1h',
  step: '1m',
  filters: { state: 'active', 'label.zone': 'a' },
  over_workers: 'sum',
  by: 'group',
};

const route = createRoute({
  method: 'post',
  path: '/api/v1/history/query',
  operationId: 'queryHistory',
  tags: ['History'],
  ...needs('read'),
  summary: 'What the metrics of several workers were',
  description: [
    'Without `over_time` and `over_workers`: for each worker the series of `GET /api/v1/workers/{id}/history`. Otherwise each point has a `value`: `over_time` makes one value of a worker’s samples in a step, and `over_workers` makes one value of those of all workers.',
    `The automatic step of an aggregate over workers is at least twice the longest heartbeat interval, so that each worker has values in each step. Asks about at most ${MAX_QUERY_WORKERS} workers. It changes nothing: the scope \`read\` is enough.`,
  ].join('\n\n'),
  request: {
    body: {
      required: true,
      content: { 'application/json': { schema: Query.openapi('HistoryQuery', { example: EXAMPLE }) } },
    },
  },
  responses: {
    200: jsonAnswer('The series, by worker or group and then by metric.', FleetHistory, FLEET_HISTORY),
    ...problemAnswers(
      'invalid_argument',
      'not_found',
      'failed_precondition',
      'too_large',
      'resource_exhausted',
      'unavailable',
    ),
  },
});

export function historyQueryRoutes(api: Api, { history, clock, queries }: AppContext): void {
  endpoint(api, route, async (c) => {
    if (history === undefined) return historyIsOff(c);
    const asked = c.req.valid('json');
    try {
      const nowMs = clock.wallMs();
      const range = rangeOf(asked, nowMs);
      const query = {
        metrics: asked.metrics,
        range,
        wish: stepWishOf(asked, range),
        nowMs,
        workerIds: asked.workers,
        criteria: readCriteria(asked.filters ?? {}).criteria,
        withForgotten: asked.forgotten ?? false,
        overTime: asked.over_time,
        overWorkers: asked.over_workers,
        by: asked.by,
      };
      const gzip = acceptsGzip(c.req.header('accept-encoding'));
      const answer = await history.ask<HistoryAnswers['fleet'] | Refused>(
        { type: 'fleet', query, gzip },
        { signal: signalOf(c) },
      );
      return isRefused(answer) ? refusal(c, answer, 'json') : sendBody(c, queries.held(answer));
    } catch (error) {
      return problemOfQuery(c, error, 'json');
    }
  });
}
