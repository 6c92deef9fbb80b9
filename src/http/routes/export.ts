/** `GET /api/v1/export`: where metrics are sent, and whether they get there. */
import { createRoute, z } from '@hono/zod-openapi';
import {
  EXPORT_DROP_REASONS,
  EXPORT_PROBLEMS,
  EXPORT_STATES,
  RECEIVER_KINDS,
  type ReceiverStatus,
} from '../../model/export-status.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, moment } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const Receiver = z
  .object({
    kind: z.enum(RECEIVER_KINDS),
    place: z.string().openapi({ description: 'Its URL, without user, password and parameters.' }),
    protocol: z.string().openapi({ description: 'What it is sent at present, such as the version of remote write.' }),
    state: z.enum(EXPORT_STATES).openapi({
      description:
        '`starting`: nothing was sent yet. `ok`: the receiver accepts what is sent. `degraded`: it has accepted nothing for a minute.',
    }),
    problem: z
      .object({ code: z.enum(EXPORT_PROBLEMS), detail: z.string(), since: moment('Since when.') })
      .nullable()
      .openapi({ description: 'Why it is degraded; null if it is not.' }),
    at: moment('When this was reported: about once a second.'),
    interval_ms: z.int().openapi({ description: 'How often all series are sent.' }),
    series: z.int().openapi({ description: 'In the last round.' }),
    left_out_series: z
      .int()
      .openapi({ description: 'Series of workers that METRICS_MAX_SERIES left out of the last round.' }),
    collect_ms: z.number().openapi({ description: 'How long the last round took to collect, with pauses.' }),
    skipped_rounds: z
      .int()
      .openapi({ description: 'Rounds that were left out because the one before was still being collected.' }),
    last_sent_at: moment('When the receiver last accepted something; null: never.').nullable(),
    sent_messages: z.int(),
    sent_samples: z.int(),
    failed_attempts: z.int(),
    dropped: z.record(z.enum(EXPORT_DROP_REASONS), z.int()).openapi({
      description:
        'Samples that the receiver lacks. `full`: the queue was full (EXPORT_QUEUE). `old`: they waited for more than an hour. `refused`: the receiver refused the message. `rejected`: it accepted the message without them. `thread`: the export thread ended unexpectedly. `stop`: they still waited when the master stopped.',
    }),
    queue: z.object({
      messages: z.int(),
      samples: z.int(),
      bytes: z.int(),
      max_bytes: z.int().openapi({ description: 'EXPORT_QUEUE.' }),
      oldest_at: moment('When the oldest waiting sample was taken; null if none waits.').nullable(),
    }),
    last_failure: z
      .object({ code: z.enum(EXPORT_PROBLEMS), detail: z.string(), at: moment('When.') })
      .nullable()
      .openapi({ description: 'The last attempt that failed, at least in part.' }),
  })
  .openapi('Receiver');

const EXAMPLE: z.input<typeof Receiver> = {
  kind: 'remote_write',
  place: 'http://prometheus:9090/api/v1/write',
  protocol: '2.0',
  state: 'ok',
  problem: null,
  at: '2026-11-23T17:54:55.000Z',
  interval_ms: 15_000,
  series: 3412,
  left_out_series: 0,
  collect_ms: 18.2,
  skipped_rounds: 0,
  last_sent_at: '2026-11-23T17:54:45.012Z',
  sent_messages: 451,
  sent_samples: 1_538_812,
  failed_attempts: 1,
  dropped: { full: 0, old: 0, refused: 0, rejected: 0, thread: 0, stop: 0 },
  queue: { messages: 0, samples: 0, bytes: 0, max_bytes: 134_217_728, oldest_at: null },
  last_failure: {
    code: 'unreachable',
    detail: 'connect ECONNREFUSED 10.0.0.7:9090',
    at: '2026-11-23T16:02:11.000Z',
  },
};

const route = createRoute({
  method: 'get',
  path: '/api/v1/export',
  operationId: 'getExport',
  tags: ['Lanes and limits'],
  ...needs('read'),
  summary: 'Where metrics are sent, and whether they get there',
  responses: {
    200: jsonAnswer(
      'The receivers of REMOTE_WRITE_URL and OTLP_ENDPOINT; none if neither is set. Counts start at zero with the master.',
      z.object({ receivers: z.array(Receiver) }),
      { receivers: [EXAMPLE] },
    ),
  },
});

export function exportRoutes(api: Api, { directory }: AppContext): void {
  endpoint(api, route, (c) => sendJson(c, 200, { receivers: directory.receivers.map(receiverJson) }));
}

function receiverJson(status: ReceiverStatus): z.infer<typeof Receiver> {
  const { problem, queue, lastFailure } = status;
  return {
    kind: status.kind,
    place: status.place,
    protocol: status.protocol,
    state: status.state,
    problem: problem && { code: problem.code, detail: problem.detail, since: iso(problem.sinceUnixMs) },
    at: iso(status.atUnixMs),
    interval_ms: status.intervalMs,
    series: status.series,
    left_out_series: status.leftOutSeries,
    collect_ms: Math.round(status.collectMs * 10) / 10,
    skipped_rounds: status.skippedRounds,
    last_sent_at: status.lastSentUnixMs === null ? null : iso(status.lastSentUnixMs),
    sent_messages: status.sentMessages,
    sent_samples: status.sentSamples,
    failed_attempts: status.failedAttempts,
    dropped: status.dropped,
    queue: {
      messages: queue.messages,
      samples: queue.samples,
      bytes: queue.bytes,
      max_bytes: queue.maxBytes,
      oldest_at: queue.oldestUnixMs === null ? null : iso(queue.oldestUnixMs),
    },
    last_failure: lastFailure && { code: lastFailure.code, detail: lastFailure.detail, at: iso(lastFailure.atUnixMs) },
  };
}

function iso(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
