/** `GET /api/v1/history/export`: a range of history as a file of any size. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { createRoute, z } from '@hono/zod-openapi';
import { EXPORT_COLUMNS, EXPORT_FORMATS, type ExportFormat } from '../../history/export/export-request.ts';
import { rangeOf } from '../../history/query/request.ts';
import { TIERS, type Tier } from '../../history/samples.ts';
import { isFilter } from '../../reading/criteria.ts';
import type { Directory } from '../../reading/directory.ts';
import { answer } from '../answers/common-headers.ts';
import { problem } from '../answers/problem.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { FILTER_PARAMETERS, textParameter } from '../api/parameters.ts';
import { problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { FILTERS_IN_WORDS, filterQuery, once, selectionOf } from '../api/selection-query.ts';
import type { AppContext, HttpEnv } from '../context.ts';
import { lackingText } from '../history/export-pieces.ts';
import { MISSING_TRAILER, streamExport } from '../history/export-stream.ts';
import { historyIsOff, isRefused, problemOfQuery, refusal, signalOf } from '../history/refusals.ts';
import type { HistoryAnswers, Refused } from '../history/tasks.ts';
import { MAX_EXPORTS } from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import { METRICS_IN_WORDS, TIMES_IN_WORDS } from './worker-history.ts';

/** What `from` is by default: as much as is kept of samples, unless a setting says otherwise. */
const DEFAULT_FROM = '-24h';

const CONTENT_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  jsonl: 'application/jsonl',
  parquet: 'application/vnd.apache.parquet',
};

const ExportQuery = filterQuery({
  format: z
    .enum(EXPORT_FORMATS, { error: `expected one of ${EXPORT_FORMATS.join(', ')}` })
    .optional()
    .openapi({ description: 'Default: `csv`.' }),
  tier: z
    .enum(TIERS, { error: `expected one of ${TIERS.join(', ')}` })
    .optional()
    .openapi({
      description:
        'Samples as received (`raw`), or rollups of a minute (`1m`) or an hour (`1h`). Default: the finest there is for each part of the range.',
    }),
  from: textParameter(`The beginning: ${TIMES_IN_WORDS}. Default: \`${DEFAULT_FROM}\`.`, '-7d').optional(),
  to: textParameter('The end, which does not belong to the range. Default: `now`.', 'now').optional(),
  metric: z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat())
    .optional()
    .openapi({
      type: 'array',
      items: { type: 'string' },
      description: `One or several, separated by commas, or given several times: ${METRICS_IN_WORDS}. Default: all.`,
      example: ['cpu_usage'],
    }),
  worker: once()
    .optional()
    .openapi({ description: 'Only this worker, also one that was removed.', example: 'worker-1' }),
});

type Query = Partial<Record<'from' | 'to' | 'worker', string>> & {
  readonly format?: ExportFormat;
  readonly tier?: Tier;
  readonly metric?: readonly string[];
};

const text = (description: string) => ({ schema: z.string().openapi({ description }) });

const route = createRoute({
  method: 'get',
  path: '/api/v1/history/export',
  operationId: 'exportHistory',
  tags: ['History'],
  ...needs('read'),
  summary: 'A range of history as a file',
  description: [
    `One row for each worker, time and metric, with the columns ${EXPORT_COLUMNS.join(', ')}. \`at\` is the receipt of a sample (\`count\` is 1, and all values are the same), or the start of a minute or an hour. Rows of one worker and metric are in the order of time within a tier, coarser tiers first; rows of several workers alternate.`,
    `Without filters: all workers, also those that were removed. With \`prefix\` alone, too. Other filters pass only workers that are there. ${FILTERS_IN_WORDS}`,
    `The answer has no length: it is made while it is sent, and waits for a client that reads slowly. If it cannot be completed, the connection breaks off. The trailer \`${MISSING_TRAILER}\` names what could not be read, or is not in the database yet; HTTP/1.0 has no trailers, so there the connection breaks off instead. At most ${MAX_EXPORTS} exports run at a time.`,
  ].join('\n\n'),
  parameters: FILTER_PARAMETERS,
  request: { query: ExportQuery },
  responses: {
    200: {
      description: 'The file.',
      content: {
        'text/csv': text(
          'RFC 4180, UTF-8, lines end in a line feed. An id or metric that begins with `=`, `+`, `-` or `@` has an apostrophe in front, so that no spreadsheet runs it as a formula.',
        ),
        'application/jsonl': text('One JSON object in each line.'),
        'application/vnd.apache.parquet': {
          schema: z.string().openapi({ format: 'binary', description: 'Apache Parquet, compressed with zstd.' }),
        },
      },
    },
    ...problemAnswers('invalid_argument', 'not_found', 'failed_precondition', 'resource_exhausted', 'unavailable'),
  },
});

export function historyExportRoutes(api: Api, context: AppContext): void {
  const { directory, history, clock, log } = context;
  let underWay = 0;

  endpoint(api, route, async (c) => {
    if (history === undefined) return historyIsOff(c);
    const query = c.req.valid('query') as Query;
    const { format = 'csv', tier, worker, metric: metrics } = query;
    try {
      if (underWay >= MAX_EXPORTS) {
        throw new LimitReached('resource_exhausted', 'exports', `too many exports: ${MAX_EXPORTS} are already running`);
      }
      const range = rangeOf({ from: query.from ?? DEFAULT_FROM, to: query.to }, clock.wallMs());
      const selected = selectedBy(query, directory);
      if (worker !== undefined && selected.isFiltered) {
        const errors = [{ in: 'query', name: 'worker', detail: 'names the only one: leave out the other filters' }];
        return problem(c, 'invalid_argument', 'worker: names the only one: leave out the other filters', { errors });
      }
      const workerIds = worker === undefined ? selected.workerIds : [worker];
      const request = { workerIds, prefix: selected.prefix, ...range, metrics, tier };
      underWay += 1;
      try {
        const signal = signalOf(c);
        const task = { type: 'exportPlan', request, known: worker === undefined ? [] : [worker] } as const;
        const plan = await history.ask<HistoryAnswers['exportPlan'] | Refused>(task, { signal });
        if (isRefused(plan)) return refusal(c, plan);
        const headers = headersOf(format, range);
        const outgoing = (c.env as HttpEnv['Bindings'] | undefined)?.outgoing;
        if (c.req.method === 'HEAD') return answer(c, 200, null, headers);
        // `app.request()` in tests has no bindings.
        if (outgoing === undefined) return problem(c, 'unavailable', 'an export needs a connection');
        const trailer = outgoing.useChunkedEncodingByDefault ? { Trailer: MISSING_TRAILER } : {};
        outgoing.writeHead(200, { ...c.get('commonHeaders'), ...headers, ...trailer });
        const lacking = lackingText(directory.history, range.toMs);
        await streamExport({ history, plan, format, outgoing, signal, lacking, clock, log });
        return RESPONSE_ALREADY_SENT;
      } finally {
        underWay -= 1;
      }
    } catch (error) {
      return problemOfQuery(c, error);
    }
  });
}

/** Those that pass the filters; undefined: all, or all that begin with the prefix, also removed ones. */
function selectedBy(query: Query, directory: Directory) {
  const filters = Object.entries(query).filter(([name, value]) => isFilter(name) && value !== undefined);
  const isFiltered = filters.length > 0;
  const prefix = Object.fromEntries(filters).prefix;
  if (filters.every(([name]) => name === 'prefix')) {
    return { isFiltered, prefix: typeof prefix === 'string' ? prefix : '', workerIds: undefined };
  }
  const selection = selectionOf(query);
  const workerIds = Array.from(directory.all())
    .filter((entry) => selection.matches(entry, directory))
    .map(({ workerId }) => workerId);
  return { isFiltered, prefix: '', workerIds };
}

/** `pulselane-20261123T165455Z-20261123T175455Z.csv` */
function headersOf(format: ExportFormat, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }) {
  const [from, to] = [fromMs, toMs].map((ms) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, ''));
  return {
    'Content-Type': CONTENT_TYPES[format],
    'Content-Disposition': `attachment; filename="pulselane-${from}-${to}.${format}"`,
  };
}
