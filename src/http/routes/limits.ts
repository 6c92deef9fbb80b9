/** `GET /api/v1/limits`: the limits of the HTTP side, and counts of refusals and drops by reason. */
import { createRoute, z } from '@hono/zod-openapi';
import type { ScrapeFigures } from '../../metrics/scrape/scraper.ts';
import type { AlertsStatus } from '../../model/alerts-status.ts';
import { HTTP_REFUSAL_REASONS, type HttpRefusalReason } from '../../model/http-figures.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { LaneLimitJson, laneLimitJson } from '../api/lane-limit.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import type { HttpLimits } from '../http-limits.ts';

const LIMITS: readonly { setting: string; of: keyof HttpLimits; reason: HttpRefusalReason | undefined }[] = [
  { setting: 'MAX_HTTP_CONNECTIONS', of: 'maxConnections', reason: 'connections' },
  { setting: 'MAX_HTTP_CONNECTIONS_PER_PEER', of: 'maxConnectionsPerPeer', reason: 'connections_per_peer' },
  { setting: 'MAX_LIVE_CLIENTS', of: 'maxLiveClients', reason: 'live_clients' },
  { setting: 'MAX_HTTP_HEADER_SIZE', of: 'maxHeaderBytes', reason: 'headers' },
  { setting: 'MAX_HTTP_BODY_SIZE', of: 'maxBodyBytes', reason: 'body' },
  { setting: 'HTTP_REQUEST_TIMEOUT', of: 'requestTimeoutMs', reason: 'timeout' },
  { setting: 'API_RATE', of: 'requestsPerS', reason: 'rate' },
];

const NOTHING_REFUSED = Object.fromEntries(HTTP_REFUSAL_REASONS.map((reason) => [reason, 0])) as Record<
  HttpRefusalReason,
  number
>;

const Limit = z
  .object({
    setting: z.string().openapi({ description: 'The setting that changes it.' }),
    value: z.number().openapi({ description: 'In bytes, milliseconds or a count; 0 = no limit.' }),
    refused: z.int().nullable().openapi({ description: 'How often the limit was reached; null if not counted.' }),
  })
  .openapi('Limit');

const Names = z.array(z.string());

const Metrics = z
  .object({
    max_series: z.int().openapi({ description: 'METRICS_MAX_SERIES.' }),
    last: z
      .object({
        series: z.int().openapi({ description: 'Series of workers in the answer.' }),
        bytes: z.int().openapi({ description: 'Its text, before compression.' }),
        bytes_per_series: z.number().nullable(),
        took_ms: z.number().openapi({ description: 'How long the thread for metrics worked on it.' }),
        us_per_series: z.number().nullable().openapi({ description: 'The same per series, in microseconds.' }),
        workers_read: z.int().openapi({
          description: 'Workers read meanwhile: those that had changed since they were last read.',
        }),
        read_ahead: z.int().openapi({ description: 'Workers read ahead of it, as it was expected.' }),
        ahead_ms: z.number().openapi({ description: 'How long the thread worked ahead of it.' }),
        unreadable_workers: z.int().openapi({
          description:
            'Workers whose record could not be read: their usages, GPUs and custom metrics are those of the one before.',
        }),
        cut: z.object({
          series: z.int().openapi({ description: 'Series that METRICS_MAX_SERIES left out.' }),
          families: Names.openapi({
            description: 'The first ten families without them; `custom` and `gpu` stand for all of these.',
          }),
        }),
        custom: z.object({
          collisions: z.int().openapi({
            description: 'Custom metrics without a series: another name of the same worker becomes the same.',
          }),
          collided_names: Names.openapi({ description: 'The first ten names that become the same as another.' }),
          left_out: z.int().openapi({
            description:
              'Custom metrics without a series: the name is longer than 124 bytes, the worker has more than 1000, or all workers ' +
              'together have more than 10,000 names (those of the fewest workers are left out).',
          }),
          left_out_names: Names.openapi({ description: 'The first ten of them.' }),
        }),
      })
      .nullable()
      .openapi({ description: 'The last answer with all workers; null before the first.' }),
  })
  .openapi('MetricsLimit', { description: 'What answers of `/metrics` cost.' });

const route = createRoute({
  method: 'get',
  path: '/api/v1/limits',
  operationId: 'listLimits',
  tags: ['Lanes and limits'],
  ...needs('read'),
  summary: 'Limits of the HTTP side, and counts of refusals and drops by reason',
  responses: {
    200: jsonAnswer(
      'Counts start at zero with the HTTP thread; those of gRPC with the master.',
      z.object({
        limits: z.array(Limit),
        refused: z.record(z.enum(HTTP_REFUSAL_REASONS), z.int()),
        dropped: z
          .object({
            slow: z.int().openapi({ description: 'It read nothing for too long.' }),
            memory: z.int().openapi({ description: 'It was the slowest while frames used too much memory.' }),
            silent: z.int().openapi({ description: 'It did not answer a ping.' }),
          })
          .openapi({ description: 'Live clients that were disconnected.' }),
        record_memory: z
          .object({
            budget_bytes: z.int().openapi({ description: 'RECORD_MEMORY.' }),
            slot_bytes: z.int().openapi({ description: 'Records, beyond the minimum room of each worker.' }),
            heartbeat_bytes: z.int().openapi({ description: 'Heartbeats that wait for a lane.' }),
            let_go_bytes: z.int().openapi({ description: 'Released, but not yet freed by every thread.' }),
            largest_record_bytes: z.int().openapi({ description: 'The largest record accepted at present, as JSON.' }),
          })
          .openapi({ description: 'Memory of records and waiting heartbeats, at most a second old.' }),
        ring_memory: z
          .object({
            budget_bytes: z.int().openapi({ description: 'RING_MEMORY.' }),
            used_bytes: z.int().openapi({ description: 'Samples of all workers, with their metrics.' }),
            span_ms: z.int().openapi({ description: 'For how long samples are kept in memory at present.' }),
            wanted_span_ms: z.int().openapi({
              description: 'RING_TIME: longer than `span_ms` while the budget does not suffice. 0: none are kept.',
            }),
          })
          .openapi({ description: 'Memory of the samples that are kept for history, at most a second old.' }),
        seasonal_metrics: z
          .object({
            kept: z.int().openapi({
              description: 'Metrics of all workers for which the usual value of each hour of the week is learned.',
            }),
            left_out: z.int().openapi({
              description:
                'Metrics without it: more than 12 of a worker, or too many of all; each worker has its share, usages first.',
            }),
          })
          .nullable()
          .openapi({
            description: 'Null while alerts, anomalies or history are off, and before the first evaluation.',
          }),
        grpc_refused: z.record(z.string(), z.int()).openapi({
          description: 'Refusals on the gRPC side, at most a second old; reasons with no refusal are absent.',
        }),
        lanes: LaneLimitJson.nullable(),
        metrics: Metrics,
      }),
      {
        limits: [{ setting: 'API_RATE', value: 100, refused: 3 }],
        refused: { ...NOTHING_REFUSED, rate: 3 },
        dropped: { slow: 1, memory: 0, silent: 0 },
        record_memory: {
          budget_bytes: 536_870_912,
          slot_bytes: 73_400,
          heartbeat_bytes: 0,
          let_go_bytes: 0,
          largest_record_bytes: 8_388_608,
        },
        ring_memory: {
          budget_bytes: 1_717_986_918,
          used_bytes: 412_876_800,
          span_ms: 3_600_000,
          wanted_span_ms: 3_600_000,
        },
        seasonal_metrics: { kept: 160, left_out: 0 },
        grpc_refused: { identity: 2 },
        lanes: { dedicated: 200, limited_by: 'memory', setting: 'memory.max', memory_short: false },
        metrics: {
          max_series: 1_000_000,
          last: {
            series: 32_000,
            bytes: 2_441_541,
            bytes_per_series: 76.3,
            took_ms: 4.3,
            us_per_series: 0.13,
            workers_read: 40,
            read_ahead: 1160,
            ahead_ms: 21.7,
            unreadable_workers: 0,
            cut: { series: 0, families: [] },
            custom: { collisions: 1, collided_names: ['queue.depth', 'queue_depth'], left_out: 0, left_out_names: [] },
          },
        },
      },
    ),
  },
});

export function limitsRoutes(api: Api, { limits, refusals, live, directory, metrics }: AppContext): void {
  endpoint(api, route, (c) =>
    sendJson(c, 200, {
      limits: LIMITS.map(({ setting, of, reason }) => ({
        setting,
        value: limits[of],
        refused: reason === undefined ? null : refusals.of(reason),
      })),
      refused: Object.fromEntries(HTTP_REFUSAL_REASONS.map((reason) => [reason, refusals.of(reason)])),
      dropped: live.dropped,
      record_memory: {
        budget_bytes: directory.recordMemory.budgetBytes,
        slot_bytes: directory.recordMemory.slotBytes,
        heartbeat_bytes: directory.recordMemory.heartbeatBytes,
        let_go_bytes: directory.recordMemory.letGoBytes,
        largest_record_bytes: directory.recordMemory.largestRecordBytes,
      },
      ring_memory: {
        budget_bytes: directory.ringMemory.budgetBytes,
        used_bytes: directory.ringMemory.usedBytes,
        span_ms: directory.ringMemory.spanMs,
        wanted_span_ms: directory.ringMemory.wantedSpanMs,
      },
      seasonal_metrics: seasonalMetrics(directory.alertsStatus),
      grpc_refused: directory.refusals,
      lanes: laneLimitJson(directory.laneLimit),
      metrics: { max_series: metrics.maxSeries, last: metrics.last === undefined ? null : lastScrape(metrics.last) },
    }),
  );
}

function seasonalMetrics(status: AlertsStatus | undefined) {
  const seasons = status?.seasons ?? null;
  return seasons && { kept: seasons.kept, left_out: seasons.leftOut };
}

function lastScrape(figures: ScrapeFigures): z.infer<typeof Metrics>['last'] {
  const { series, bytes, tookMs, workersRead, readAhead, aheadMs } = figures;
  const perSeries = (amount: number) => (series === 0 ? null : rounded(amount / series));
  return {
    series,
    bytes,
    bytes_per_series: perSeries(bytes),
    took_ms: rounded(tookMs),
    us_per_series: perSeries(1000 * tookMs),
    workers_read: workersRead,
    read_ahead: readAhead,
    ahead_ms: rounded(aheadMs),
    unreadable_workers: figures.unreadable,
    cut: { series: figures.cutSeries, families: [...figures.cutFamilies] },
    custom: {
      collisions: figures.collisions,
      collided_names: [...figures.collidedNames],
      left_out: figures.leftOut,
      left_out_names: [...figures.leftOutNames],
    },
  };
}

const rounded = (amount: number) => Math.round(100 * amount) / 100;
