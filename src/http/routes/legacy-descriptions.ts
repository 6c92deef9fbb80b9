/**
 * The legacy routes, the probes and the login as the OpenAPI document describes them. They are served without
 * schemas, as ever: tests hold their real answers against what is said here.
 */
import { z } from '@hono/zod-openapi';
import { UNREADY_CODES } from '../../model/readiness.ts';
import type { Api } from '../api/endpoint.ts';
import { TELEMETRY } from '../api/examples.ts';
import { Brake, Grace } from '../api/holds-schema.ts';
import { LegacyError, Summary, Telemetry } from '../api/legacy-schemas.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { HOME } from './home.ts';

const Health = z
  .object({
    status: z.enum(['healthy', 'unhealthy']),
    time: z.int().openapi({ description: 'Unix seconds.' }),
    workers: z.int(),
    active_workers: z.int(),
    active_clients: z.int().openapi({ description: 'Clients of live streams.' }),
    grace: Grace.optional(),
    brakes: z.array(Brake).optional(),
  })
  .openapi('Health');

const Reason = z
  .object({ code: z.enum(UNREADY_CODES), detail: z.string().openapi({ description: 'For people.' }) })
  .openapi('UnreadyReason');

const WorkerIdPath = z.object({
  workerID: z.string().openapi({
    param: { name: 'workerID', in: 'path' },
    description: 'The worker’s id, percent-encoded; raw slashes belong to it.',
    example: 'worker-1',
  }),
});

const SUMMARY: z.infer<typeof Summary> = {
  worker_id: 'worker-1',
  is_active: true,
  running_tasks_count: 1,
  last_update: TELEMETRY.last_update,
};

const HEALTH: z.infer<typeof Health> = {
  status: 'healthy',
  time: TELEMETRY.last_update,
  workers: 1,
  active_workers: 1,
  active_clients: 0,
};

const STUCK = { code: 'main_stuck', detail: 'the main thread has given no sign of life for 12 s' } as const;

const unknownWorker = jsonAnswer('There is no such worker.', LegacyError, { error: 'worker "ghost" is not known' });
const brokenEscape = jsonAnswer('The path is not valid percent-encoded UTF-8.', LegacyError, {
  error: 'the path is not valid percent-encoded UTF-8',
});
const upgradeRequired = jsonAnswer('It was asked for without a WebSocket upgrade.', LegacyError, {
  error: 'this path speaks WebSocket',
});
const upgraded = { description: 'From here on it is a WebSocket.' };

const HOME_PATH: Parameters<Api['openAPIRegistry']['registerPath']>[0] = {
  method: 'get',
  path: '/',
  operationId: 'getHome',
  tags: ['documents'],
  summary: 'What there is; a browser comes to the page of this API',
  responses: {
    200: jsonAnswer('Where to begin.', z.record(z.string(), z.string()), HOME),
    302: { description: 'To `/api/docs`, for who wants a page.' },
  },
};

const PROBES: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/health',
    operationId: 'getHealth',
    tags: ['probes'],
    summary: 'Whether the master is well, with a few counts',
    security: [],
    responses: {
      200: jsonAnswer('It is.', Health, HEALTH),
      503: jsonAnswer('Its main thread is stuck.', Health, { ...HEALTH, status: 'unhealthy' }),
    },
  },
  {
    method: 'get',
    path: '/livez',
    operationId: 'getLivez',
    tags: ['probes'],
    summary: 'Whether the master lives, or should be started anew',
    security: [],
    responses: {
      200: jsonAnswer('It lives.', z.object({ status: z.literal('ok') }), { status: 'ok' }),
      503: jsonAnswer('It is stuck.', z.object({ status: z.literal('stuck'), reasons: z.array(Reason) }), {
        status: 'stuck',
        reasons: [STUCK],
      }),
    },
  },
  {
    method: 'get',
    path: '/readyz',
    operationId: 'getReadyz',
    tags: ['probes'],
    summary: 'Whether the master should be given work, and why not',
    description: 'gRPC’s health service says the same.',
    security: [],
    responses: {
      200: jsonAnswer('It is ready.', z.object({ status: z.literal('ready'), reasons: z.array(Reason) }), {
        status: 'ready',
        reasons: [],
      }),
      503: jsonAnswer('It is not.', z.object({ status: z.literal('not ready'), reasons: z.array(Reason) }), {
        status: 'not ready',
        reasons: [{ code: 'stopping', detail: 'the master stops' }],
      }),
    },
  },
];

const SEED: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/telemetry',
    operationId: 'getAllTelemetry',
    tags: ['seed'],
    summary: 'The newest of every worker, by id',
    responses: { 200: jsonAnswer('The workers.', z.record(z.string(), Telemetry), { 'worker-1': TELEMETRY }) },
  },
  {
    method: 'get',
    path: '/telemetry/{workerID}',
    operationId: 'getTelemetry',
    tags: ['seed'],
    summary: 'The newest of one worker',
    request: { params: WorkerIdPath },
    responses: { 200: jsonAnswer('The worker.', Telemetry, TELEMETRY), 400: brokenEscape, 404: unknownWorker },
  },
  {
    method: 'get',
    path: '/workers',
    operationId: 'getSummaries',
    tags: ['seed'],
    summary: 'Who there is, in short, by id',
    responses: { 200: jsonAnswer('The workers.', z.record(z.string(), Summary), { 'worker-1': SUMMARY }) },
  },
  {
    method: 'get',
    path: '/ws/telemetry',
    operationId: 'followAllTelemetry',
    tags: ['seed'],
    summary: 'The newest of every worker, then each change, over WebSocket',
    description:
      'Text frames: first the same map as `GET /telemetry`, then `{"<worker id>": {…}}` within 100 ms of each change. A slow client gets the newest state alone.',
    responses: { 101: upgraded, 426: upgradeRequired },
  },
  {
    method: 'get',
    path: '/ws/telemetry/{workerID}',
    operationId: 'followTelemetry',
    tags: ['seed'],
    summary: 'The newest of one worker, then each change, over WebSocket',
    request: { params: WorkerIdPath },
    responses: { 101: upgraded, 400: brokenEscape, 404: unknownWorker, 426: upgradeRequired },
  },
];

const page = { 'text/html': { schema: z.string() } };
const goOn = { description: 'It goes on to the next page.' };

const LOGIN: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/login',
    operationId: 'getLogin',
    tags: ['access'],
    summary: 'The page where a browser shows a token',
    security: [],
    request: {
      query: z.object({
        next: z.string().optional().openapi({ description: 'Where to go on to: a path of this server.' }),
      }),
    },
    responses: { 200: { description: 'The page.', content: page } },
  },
  {
    method: 'post',
    path: '/login',
    operationId: 'logIn',
    tags: ['access'],
    summary: 'A token for the cookie of a session',
    security: [],
    request: {
      body: {
        required: true,
        content: {
          'application/x-www-form-urlencoded': { schema: z.object({ token: z.string(), next: z.string().optional() }) },
        },
      },
    },
    responses: {
      303: goOn,
      400: jsonAnswer('It is no form.', LegacyError, {
        error: 'expected a form, as application/x-www-form-urlencoded',
      }),
      401: { description: 'The token is not known: the page again.', content: page },
      429: { description: 'Too many attempts: the page again.', content: page },
    },
  },
  {
    method: 'post',
    path: '/logout',
    operationId: 'logOut',
    tags: ['access'],
    summary: 'The cookie goes',
    responses: { 303: goOn },
  },
];

export function describeLegacyPaths(api: Api): void {
  for (const route of [HOME_PATH, ...SEED, ...PROBES, ...LOGIN]) api.openAPIRegistry.registerPath(route);
}
