/**
 * Describes the routes outside /api/ for the OpenAPI document: those of the earlier Go system, the probes and the login. They
 * are served without schemas; tests check their real answers against these descriptions.
 */
import { z } from '@hono/zod-openapi';
import { DEGRADED_CODES, UNREADY_CODES } from '../../model/readiness.ts';
import type { Api } from '../api/endpoint.ts';
import { TELEMETRY } from '../api/examples.ts';
import { Brake, Grace } from '../api/holds-schema.ts';
import { LegacyError, Summary, Telemetry } from '../api/legacy-schemas.ts';
import { jsonAnswer, moment } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { HOME } from './home.ts';

const Health = z
  .object({
    status: z.enum(['healthy', 'unhealthy']),
    time: z.int().openapi({ description: 'Unix seconds.' }),
    workers: z.int(),
    active_workers: z.int(),
    active_clients: z.int().openapi({ description: 'Connected clients of live updates.' }),
    grace: Grace.optional(),
    brakes: z.array(Brake).optional(),
  })
  .openapi('Health');

const Reason = z
  .object({ code: z.enum(UNREADY_CODES), detail: z.string().openapi({ description: 'For people.' }) })
  .openapi('UnreadyReason');

const DegradedPart = z
  .object({
    code: z.enum(DEGRADED_CODES),
    detail: z.string().openapi({ description: 'For people.' }),
    since: moment('Since when.'),
  })
  .openapi('DegradedPart');

const Degraded = z.array(DegradedPart).openapi({
  description: 'What does not work although the master is ready for work; it makes no master unready.',
});

const WorkerIdPath = z.object({
  workerID: z.string().openapi({
    param: { name: 'workerID', in: 'path' },
    description: 'The worker id, percent-encoded; raw slashes are part of it.',
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

const STUCK = { code: 'main_stuck', detail: 'the main thread has not responded for 12 s' } as const;

const unknownWorker = jsonAnswer('Unknown worker.', LegacyError, { error: 'no worker is called "ghost"' });
const brokenEscape = jsonAnswer('The path is not valid percent-encoded UTF-8.', LegacyError, {
  error: 'the path is not valid percent-encoded UTF-8',
});
const upgradeRequired = jsonAnswer('The request is not a WebSocket upgrade.', LegacyError, {
  error: 'this path needs a WebSocket upgrade',
});
const upgraded = { description: 'The connection becomes a WebSocket.' };

const HOME_PATH: Parameters<Api['openAPIRegistry']['registerPath']>[0] = {
  method: 'get',
  path: '/',
  operationId: 'getHome',
  tags: ['API description'],
  ...needs('read'),
  summary: 'The entry points of the API; redirects browsers to the docs page',
  responses: {
    200: jsonAnswer('Entry points.', z.record(z.string(), z.string()), HOME),
    302: { description: 'To `/api/docs`, if the client accepts HTML.' },
  },
};

const PROBES: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/health',
    operationId: 'getHealth',
    tags: ['Probes'],
    summary: 'Whether the master is healthy, with a few counts',
    security: [],
    responses: {
      200: jsonAnswer('Healthy.', Health, HEALTH),
      503: jsonAnswer('The main thread is stuck.', Health, { ...HEALTH, status: 'unhealthy' }),
    },
  },
  {
    method: 'get',
    path: '/livez',
    operationId: 'getLivez',
    tags: ['Probes'],
    summary: 'Whether the master is alive or should be restarted',
    security: [],
    responses: {
      200: jsonAnswer('Alive.', z.object({ status: z.literal('ok') }), { status: 'ok' }),
      503: jsonAnswer('The main thread is stuck.', z.object({ status: z.literal('stuck'), reasons: z.array(Reason) }), {
        status: 'stuck',
        reasons: [STUCK],
      }),
    },
  },
  {
    method: 'get',
    path: '/readyz',
    operationId: 'getReadyz',
    tags: ['Probes'],
    summary: 'Whether the master is ready for work, and if not, why',
    description: 'gRPC’s health service reports the same.',
    security: [],
    responses: {
      200: jsonAnswer(
        'Ready.',
        z.object({ status: z.literal('ready'), reasons: z.array(Reason), degraded: Degraded }),
        {
          status: 'ready',
          reasons: [],
          degraded: [],
        },
      ),
      503: jsonAnswer(
        'Not ready.',
        z.object({ status: z.literal('not ready'), reasons: z.array(Reason), degraded: Degraded }),
        {
          status: 'not ready',
          reasons: [{ code: 'stopping', detail: 'the master is stopping' }],
          degraded: [],
        },
      ),
    },
  },
];

const EARLIER: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/telemetry',
    operationId: 'getAllTelemetry',
    tags: ['Routes of the earlier Go system'],
    ...needs('read'),
    summary: 'The newest values of every worker, by id',
    responses: { 200: jsonAnswer('The workers.', z.record(z.string(), Telemetry), { 'worker-1': TELEMETRY }) },
  },
  {
    method: 'get',
    path: '/telemetry/{workerID}',
    operationId: 'getTelemetry',
    tags: ['Routes of the earlier Go system'],
    ...needs('read'),
    summary: 'The newest values of one worker',
    request: { params: WorkerIdPath },
    responses: { 200: jsonAnswer('The worker.', Telemetry, TELEMETRY), 400: brokenEscape, 404: unknownWorker },
  },
  {
    method: 'get',
    path: '/workers',
    operationId: 'getSummaries',
    tags: ['Routes of the earlier Go system'],
    ...needs('read'),
    summary: 'A summary of every worker, by id',
    responses: { 200: jsonAnswer('The workers.', z.record(z.string(), Summary), { 'worker-1': SUMMARY }) },
  },
  {
    method: 'get',
    path: '/ws/telemetry',
    operationId: 'followAllTelemetry',
    tags: ['Routes of the earlier Go system'],
    ...needs('read'),
    summary: 'The newest values of every worker, then each change, over WebSocket',
    description:
      'Text frames: first the map of `GET /telemetry`, then `{"<worker id>": {…}}` within 100 ms of each change. A slow client gets only the newest state.',
    responses: { 101: upgraded, 426: upgradeRequired },
  },
  {
    method: 'get',
    path: '/ws/telemetry/{workerID}',
    operationId: 'followTelemetry',
    tags: ['Routes of the earlier Go system'],
    ...needs('read'),
    summary: 'The newest values of one worker, then each change, over WebSocket',
    request: { params: WorkerIdPath },
    responses: { 101: upgraded, 400: brokenEscape, 404: unknownWorker, 426: upgradeRequired },
  },
];

const page = { 'text/html': { schema: z.string() } };
const redirect = { description: 'Redirects to the next page.' };

const LOGIN: readonly Parameters<Api['openAPIRegistry']['registerPath']>[0][] = [
  {
    method: 'get',
    path: '/login',
    operationId: 'getLogin',
    tags: ['Login'],
    summary: 'The login page',
    security: [],
    request: {
      query: z.object({
        next: z.string().optional().openapi({ description: 'The path to go to after login, on this server.' }),
      }),
    },
    responses: { 200: { description: 'The page.', content: page } },
  },
  {
    method: 'post',
    path: '/login',
    operationId: 'logIn',
    tags: ['Login'],
    summary: 'Exchange a token for a session cookie',
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
      303: redirect,
      400: jsonAnswer('Not a form.', LegacyError, {
        error: 'expected a form (application/x-www-form-urlencoded)',
      }),
      401: { description: 'Unknown token: the login page again.', content: page },
      429: { description: 'Too many attempts: the login page again.', content: page },
    },
  },
  {
    method: 'post',
    path: '/logout',
    operationId: 'logOut',
    tags: ['Login'],
    ...needs('read'),
    summary: 'Log out: ends the session and removes the cookie',
    responses: { 303: redirect },
  },
];

export function describeLegacyPaths(api: Api): void {
  for (const route of [HOME_PATH, ...EARLIER, ...PROBES, ...LOGIN]) api.openAPIRegistry.registerPath(route);
}
