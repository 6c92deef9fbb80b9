/**
 * `POST /api/v1/heartbeats`: heartbeats as JSON, for workers that have no gRPC.
 * `POST /api/v1/workers/{id}/leave`: the worker says farewell.
 */
import { createRoute } from '@hono/zod-openapi';
import { durationMs, formatDuration } from '../../config/kinds.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { LONGEST_ANNOUNCED_MS } from '../../model/pace.ts';
import type { RelayedAnswer, RelayedCall, RelayedCaller } from '../../rpc/relayed-calls.ts';
import { refuse } from '../access/middleware.ts';
import { HEARTBEATS_PATH } from '../answers/api-path.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { HeartbeatSchema, HeartbeatsAnswerSchema } from '../api/heartbeat-schema.ts';
import { query, textParameter, WorkerPath } from '../api/parameters.ts';
import { jsonAnswer, Message, problemAnswers } from '../api/schemas.ts';
import { FOR_WORKERS } from '../api/scopes.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import type { Batch } from '../heartbeats/batch.ts';
import { heartbeatsAnswer } from '../heartbeats/heartbeats-answer.ts';
import { MAX_HEARTBEATS } from '../http-limits.ts';
import { queryOfTarget } from '../sockets/target.ts';
import { brokenEscape } from './worker.ts';

const LEAST_INTERVAL_MS = 1000;
const interval = durationMs({ minMs: LEAST_INTERVAL_MS, maxMs: LONGEST_ANNOUNCED_MS });
const INTERVAL_RANGE = `${formatDuration(LEAST_INTERVAL_MS)} to ${formatDuration(LONGEST_ANNOUNCED_MS)}`;

const Interval = textParameter(
  `How often the worker means to send, ${INTERVAL_RANGE}: it is inactive after six of these. Default: what it said last, or else HEARTBEAT_INTERVAL. Shorter intervals than that change nothing.`,
  '10m',
)
  .superRefine((text, context) => {
    try {
      interval.parse(text);
    } catch {
      const message = `expected a duration from ${INTERVAL_RANGE}, such as 30s, 10m or 2h`;
      context.addIssue({ code: 'custom', message });
    }
  })
  .optional();

const BODY = {
  required: true,
  // References, which only describe: see heartbeat-schema.ts.
  content: { 'application/json': { schema: bodySchema() } },
};

const send = createRoute({
  method: 'post',
  path: HEARTBEATS_PATH,
  operationId: 'sendHeartbeats',
  tags: ['Reporting'],
  ...FOR_WORKERS,
  summary: 'Send heartbeats',
  description: `One heartbeat or a list of up to ${MAX_HEARTBEATS}, of one or several workers. Each is accepted or refused by itself, as over gRPC: with the same admission, tokens and limits. Needs a worker token or a client certificate if workers must authenticate; tokens of the API do not count.`,
  request: { query: query({ interval: Interval }), body: BODY },
  responses: {
    200: jsonAnswer('What became of each heartbeat, also if all were refused.', HeartbeatsAnswerSchema, {
      accepted: 1,
      refused: [
        {
          index: 1,
          worker_id: 'worker-2',
          code: 'invalid_argument',
          detail: 'unknown member cpu_usge; did you mean cpu_usage?',
        },
      ],
    }),
    ...problemAnswers('invalid_argument', 'too_large', 'unsupported_media_type', 'rate_limited'),
  },
});

const leave = createRoute({
  method: 'post',
  path: '/api/v1/workers/{id}/leave',
  operationId: 'leaveFleet',
  tags: ['Reporting'],
  ...FOR_WORKERS,
  summary: 'Say farewell',
  description:
    'For a worker that stops: it has left, which is no alarm. It stays in the list with its last values until its retention has passed, as after a farewell over gRPC; its next heartbeat brings it back. Needs the same credentials as its heartbeats.',
  request: {
    params: WorkerPath,
    query: query({
      instance_id: textParameter(
        'The run of the process that leaves. Refused if another one reports for the worker now. Default: whichever.',
        '4f2a9c',
      ).optional(),
    }),
  },
  responses: {
    200: jsonAnswer('It has left.', Message, { message: 'worker-1 has left.' }),
    ...problemAnswers('invalid_argument', 'not_found', 'failed_precondition', 'rate_limited'),
  },
});

const PREFIX = '/api/v1/workers/';

export function heartbeatRoutes(api: Api, context: AppContext): void {
  api.openAPIRegistry.register('Heartbeat', HeartbeatSchema);

  /** Has main count heartbeats that were refused here, also for the rate of their address. Nobody waits for that. */
  const count = (c: HttpContext, unread: number, tooLarge: number) =>
    void context.relay({
      type: 'heartbeats',
      caller: callerOf(c),
      intervalMs: 0,
      bytes: new Uint8Array(),
      ends: [],
      unread,
      tooLarge,
    });

  const take = (c: HttpContext, intervalMs: number): Response | Promise<Response> => {
    const mistake = mediaMistake(c);
    return answered(c, context, async () => {
      if (mistake !== undefined) {
        count(c, 1, 0);
        return problem(c, 'unsupported_media_type', mistake);
      }
      const { maxMessageBytes } = context.limits;
      const batch = await context.queries.heartbeats(await bodyOf(c), {
        maxMessageBytes,
        maxElements: MAX_HEARTBEATS,
        intervalMs,
      });
      if (batch.problem !== undefined) {
        count(c, Math.max(batch.refused.length, 1), tooLargeOf(batch));
        return problem(c, 'invalid_argument', batch.problem);
      }
      const answer = await context.relay(callOf(batch, callerOf(c), intervalMs));
      return answer.type === 'heartbeats' ? sendJson(c, 200, heartbeatsAnswer(batch, answer)) : refused(c, answer);
    });
  };
  // Most requests have no query, and validating none would cost a tenth of the request.
  api.post(HEARTBEATS_PATH, (c, next) => (queryOfTarget(c.req.url) === '' ? Promise.resolve(take(c, 0)) : next()));
  endpoint(api, send, (c) => {
    const { interval: text } = c.req.valid('query');
    return take(c, text === undefined ? 0 : interval.parse(text));
  });

  endpoint(api, leave, (c) => {
    const workerId = workerIdIn(c, PREFIX, '/leave');
    if (workerId === undefined) return brokenEscape(c);
    const { instance_id: instanceId = '' } = c.req.valid('query');
    return answered(c, context, async () => {
      const answer = await context.relay({ type: 'farewell', caller: callerOf(c), workerId, instanceId });
      return answer.type === 'farewell' ? sendJson(c, 200, { message: `${workerId} has left.` }) : refused(c, answer);
    });
  });
}

/** A heartbeat or a list of them. */
function bodySchema() {
  const one = { $ref: '#/components/schemas/Heartbeat' };
  return { oneOf: [one, { type: 'array' as const, items: one, maxItems: MAX_HEARTBEATS }] };
}

/** Turns a limit that was reached into an answer. */
async function answered(c: HttpContext, { refusals }: AppContext, make: () => Promise<Response>): Promise<Response> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof PulselaneError)) throw error;
    refusals.countError(error);
    return problem(c, error.code, error.message);
  }
}

/** Why the body cannot be read, whatever it is; undefined if it can. */
function mediaMistake(c: HttpContext): string | undefined {
  const type = c.req.header('content-type');
  const coding = c.req.header('content-encoding');
  if (coding !== undefined && coding !== 'identity') {
    return `the body has Content-Encoding: ${coding}, expected none`;
  }
  // Whoever says nothing sends JSON.
  if (type === undefined || /^application\/(?:[\w.+-]+\+)?json(?: *;|$)/i.test(type)) return undefined;
  return `the body has Content-Type: ${type}, expected application/json; with curl: --json, or -H 'Content-Type: application/json'`;
}

async function bodyOf(c: HttpContext): Promise<Uint8Array> {
  // `app.request()` in tests has no bindings.
  const { incoming } = (c.env ?? {}) as HttpEnv['Bindings'];
  if (incoming?.rawBody !== undefined) return incoming.rawBody;
  return incoming?.socket === undefined ? new Uint8Array(await c.req.arrayBuffer()) : new Uint8Array();
}

function callerOf(c: HttpContext): RelayedCaller {
  const { incoming } = (c.env ?? {}) as HttpEnv['Bindings'];
  return { address: incoming?.socket?.remoteAddress ?? '', ...c.get('workerIdentity') };
}

function callOf(batch: Batch, caller: RelayedCaller, intervalMs: number): RelayedCall {
  const { bytes, ends, refused: unread } = batch;
  return { type: 'heartbeats', caller, intervalMs, bytes, ends, unread: unread.length, tooLarge: tooLargeOf(batch) };
}

function tooLargeOf({ refused: unread }: Batch): number {
  return unread.reduce((sum, { code }) => sum + Number(code === 'too_large'), 0);
}

/** Main has refused the whole call. */
function refused(c: HttpContext, answer: RelayedAnswer): Response {
  if (answer.type !== 'refused') throw new Error(`main answered with ${answer.type}`);
  const { code, detail, retryAfterMs } = answer;
  return refuse(c, { code, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}
