/** `GET /metrics`: the metrics of the workers and of the master, for Prometheus and whatever reads its formats. */
import { z } from '@hono/zod-openapi';
import { shortText } from '../../lib/foreign-text.ts';
import { MEDIA_TYPES } from '../../metrics/exposition/format.ts';
import { negotiate } from '../../metrics/exposition/negotiation.ts';
import { COLLECTIONS, type Collection, isCollection } from '../../metrics/scrape/collections.ts';
import { WORKER_COLLECTIONS } from '../../metrics/workers/families.ts';
import { acceptsGzip, varyHeader } from '../answers/encoding.ts';
import { errorJson, errorJsonOf, sendBody } from '../answers/respond.ts';
import type { Api } from '../api/endpoint.ts';
import { LegacyError } from '../api/legacy-schemas.ts';
import { query } from '../api/parameters.ts';
import { plainQuery } from '../api/plain-query.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import { signalOf } from '../history/refusals.ts';
import { MAX_WORKERS_NAMED } from '../http-limits.ts';
import { readOnly } from './route.ts';

const PATH = '/metrics';

/** Enough to recognise a value in an error. */
const MAX_SHOWN_UNITS = 40;

const several = (description: string, example: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat())
    .refine((given) => given.length <= MAX_WORKERS_NAMED, `expected at most ${MAX_WORKERS_NAMED} values`)
    .optional()
    .openapi({ type: 'array', items: { type: 'string' }, description, example: [example] });

const MetricsQuery = query({
  'collect[]': several(
    `Only these families, by group: ${COLLECTIONS.join(', ')}. Default: all; with \`group\` or \`worker\`, all but \`master\`.`,
    'state',
  ),
  group: several('Only workers of this group; empty: only workers without one. May be given several times.', 'rack-1'),
  worker: several('Only this worker. May be given several times; unknown workers have no series.', 'worker-1'),
});

const EXAMPLE = [
  '# HELP pulselane_worker_up Whether the worker is active (1) or not (0).',
  '# TYPE pulselane_worker_up gauge',
  'pulselane_worker_up{worker="worker-1"} 1',
  '',
].join('\n');

const DESCRIPTION: Parameters<Api['openAPIRegistry']['registerPath']>[0] = {
  method: 'get',
  path: PATH,
  operationId: 'getMetrics',
  tags: ['Monitoring'],
  ...needs('read'),
  summary: 'Metrics of the workers and of the master, for Prometheus',
  description:
    'The format is negotiated by `Accept`: text 0.0.4 (the default) and 1.0.0, OpenMetrics 1.0, or protobuf. ' +
    '`X-Prometheus-Scrape-Timeout-Seconds` is honoured.',
  request: { query: MetricsQuery },
  responses: {
    200: {
      description: 'The families, in the negotiated format.',
      content: Object.fromEntries(
        Object.values(MEDIA_TYPES).map(({ contentType }) => [
          contentType.split(';')[0] as string,
          { schema: z.string().openapi({ example: EXAMPLE }) },
        ]),
      ),
    },
    400: jsonAnswer('A wrong parameter.', LegacyError, {
      error: 'collect[]: expected one of master, state, info, usage, capacity, health, lane, gpu, custom; got "cpu"',
    }),
    503: jsonAnswer('Too many scrapes at a time, or no answer within the scraper’s timeout.', LegacyError, {
      error: 'too many scrapes: 8 are already running or waiting',
    }),
  },
};

export function metricsRoutes(api: Api, { metrics, queries }: AppContext): void {
  api.openAPIRegistry.registerPath(DESCRIPTION);

  readOnly(api, PATH, async (c) => {
    const read = plainQuery(c, MetricsQuery);
    if ('mistake' in read) return errorJson(c, 400, read.mistake);
    const { 'collect[]': collect, group: groups, worker: workers } = read.query;
    const unknown = collect?.find((name) => !isCollection(name));
    if (unknown !== undefined) {
      return errorJson(c, 400, `collect[]: expected one of ${COLLECTIONS.join(', ')}; got ${shown(unknown)}`);
    }
    const ofAll: readonly Collection[] =
      groups === undefined && workers === undefined ? COLLECTIONS : WORKER_COLLECTIONS;
    const format = negotiate(c.req.header('accept'));
    const request = {
      format,
      collections: (collect as Collection[] | undefined) ?? ofAll,
      workers,
      groups,
      gzip: acceptsGzip(c.req.header('accept-encoding')),
    };
    try {
      const timeoutMs = timeoutMsIn(c.req.header('x-prometheus-scrape-timeout-seconds'));
      const answer = await metrics.scrape(request, { timeoutMs, signal: signalOf(c) });
      const { Vary } = varyHeader(c);
      return sendBody(c, queries.held(answer), { 'Content-Type': format.contentType, Vary: `${Vary}, Accept` });
    } catch (error) {
      return errorJsonOf(c, error);
    }
  });
}

/** Undefined: none is given, or none that could be met. */
function timeoutMsIn(seconds: string | undefined): number | undefined {
  if (seconds === undefined || !/^\d{1,6}(?:\.\d{1,9})?$/.test(seconds)) return undefined;
  return Number(seconds) > 0 ? 1000 * Number(seconds) : undefined;
}

const shown = (text: string) => JSON.stringify(shortText(text, MAX_SHOWN_UNITS));
