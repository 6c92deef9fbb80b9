/** `GET /api/v1/workers/{id}/history`: what one worker's metrics were. */
import { createRoute, z } from '@hono/zod-openapi';
import { MAX_ANSWER_POINTS } from '../../history/query/budget.ts';
import { ALL_METRICS } from '../../history/query/keys.ts';
import { MAX_POINTS } from '../../history/query/plan.ts';
import { MAX_QUERY_METRICS } from '../../history/query/queries.ts';
import { DEFAULT_POINTS, MIN_POINTS, rangeOf, stepWishOf } from '../../history/query/request.ts';
import { BASE_METRICS } from '../../history/samples.ts';
import { acceptsGzip } from '../answers/encoding.ts';
import { sendBody } from '../answers/respond.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { WORKER_HISTORY, WorkerHistory } from '../api/history-schema.ts';
import { query, textParameter, WorkerPath, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import { historyIsOff, isRefused, problemOfQuery, refusal, signalOf } from '../history/refusals.ts';
import type { HistoryAnswers, Refused } from '../history/tasks.ts';
import { brokenEscape } from './worker.ts';

const PREFIX = '/api/v1/workers/';

/** For every route with a range. */
export const TIMES_IN_WORDS =
  'RFC 3339 (`2026-11-23T17:54:55Z`), Unix seconds, `now`, or a time ago (`-1h`; ms, s, m, h, d, w, y)';

export const METRICS_IN_WORDS = `${BASE_METRICS.join(', ')}; \`metrics.<name>\` of a custom metric, or only its name; \`gpus.<index>.<field>\` of a device`;

const route = createRoute({
  method: 'get',
  path: `${PREFIX}{id}/history`,
  operationId: 'getWorkerHistory',
  tags: ['History'],
  ...needs('read'),
  summary: 'What a worker’s metrics were',
  description: [
    `Without \`step\`: if the range holds at most \`points\` samples, each is a point; otherwise the smallest step that fits. Each point has the least and the greatest value of its step, so that no spike is hidden.`,
    'The step decides what is read: samples, or the values of each minute or hour, which are kept longer. If what a small step needs is no longer kept, the step is larger than asked: see `step_ms`. Of minutes and hours (`tier` is `1m` or `1h`), those at both ends of the range count whole. The newest samples are read from memory, so an answer is never older than the last heartbeat.',
    'For one metric, `metric`, `step_ms`, `tier`, `points` and `gaps` are members of the answer; for several, of each element of `series`. Also answers for a worker that was removed, as long as there is history of it.',
  ].join('\n\n'),
  request: {
    params: WorkerPath,
    query: query({
      metric: z
        .union([z.string(), z.array(z.string())])
        .transform((given) => [given].flat())
        .openapi({
          type: 'array',
          items: { type: 'string' },
          description: `One or several, separated by commas, or given several times: ${METRICS_IN_WORDS}; \`${ALL_METRICS}\`: every metric that is kept of the worker, at most ${MAX_QUERY_METRICS}. Default: the first five.`,
          example: ['cpu_usage'],
        }),
      from: textParameter(`The beginning: ${TIMES_IN_WORDS}. Default: \`-1h\`.`, '-1h'),
      to: textParameter('The end, which does not belong to the range. Default: `now`.', 'now'),
      step: textParameter(
        'How much time a point stands for: a duration such as `30s`, `5m` or `1h`, or a number of seconds.',
        '1m',
      ),
      points: wholeNumber({
        description: `The most points per metric. With \`step\`: refuses a range with more, ${MAX_POINTS} by default. Of many metrics fewer, so that the answer has at most ${MAX_ANSWER_POINTS}.`,
        min: MIN_POINTS,
        max: MAX_POINTS,
        default: DEFAULT_POINTS,
      }),
    }).partial(),
  },
  responses: {
    200: jsonAnswer('The history.', WorkerHistory, WORKER_HISTORY),
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

export function workerHistoryRoutes(api: Api, { history, clock, queries }: AppContext): void {
  endpoint(api, route, async (c) => {
    const workerId = workerIdIn(c, PREFIX, '/history');
    if (workerId === undefined) return brokenEscape(c);
    if (history === undefined) return historyIsOff(c);
    const { metric: metrics = [], from, to, step, points } = c.req.valid('query');
    try {
      const nowMs = clock.wallMs();
      const range = rangeOf({ from, to }, nowMs);
      const wish = stepWishOf({ step, points }, range);
      const gzip = acceptsGzip(c.req.header('accept-encoding'));
      const task = { type: 'worker', query: { workerId, metrics, range, wish, nowMs }, gzip } as const;
      const answer = await history.ask<HistoryAnswers['worker'] | Refused>(task, { signal: signalOf(c) });
      return isRefused(answer) ? refusal(c, answer) : sendBody(c, queries.held(answer));
    } catch (error) {
      return problemOfQuery(c, error);
    }
  });
}
