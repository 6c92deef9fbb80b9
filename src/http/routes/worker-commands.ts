/**
 * `POST /api/v1/workers/{id}/approve` admits a worker; `…/release` ends its quarantine early.
 * `PUT /api/v1/workers/{id}/isolation` decides whether it has a lane of its own.
 */
import { createRoute } from '@hono/zod-openapi';
import { ISOLATIONS } from '../../model/isolation.ts';
import { carryOut, commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { body, oneOf, WorkerPath } from '../api/parameters.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import { brokenEscape } from './worker.ts';

const PREFIX = '/api/v1/workers/';

const approve = createRoute({
  method: 'post',
  path: `${PREFIX}{id}/approve`,
  operationId: 'approveWorker',
  tags: ['Workers'],
  ...needs('operate'),
  summary: 'Approve a worker',
  description:
    'Admits a worker that waits for approval, or in advance one that has not reported yet. With open admission the approval is kept; it counts once the master is started with `ADMISSION=approved`.',
  request: { params: WorkerPath },
  responses: commandAnswers('worker-1 is approved.', 'invalid_argument', 'resource_exhausted'),
});

const release = createRoute({
  method: 'post',
  path: `${PREFIX}{id}/release`,
  operationId: 'releaseWorker',
  tags: ['Workers'],
  ...needs('operate'),
  summary: 'End a worker’s quarantine early',
  description: 'A worker that keeps crashing its lane is quarantined for a while; this restarts its lane now.',
  request: { params: WorkerPath },
  responses: commandAnswers('worker-1 is released: its lane is starting again.', 'not_found', 'failed_precondition'),
});

const Decision = body({
  lane: oneOf(ISOLATIONS).openapi({
    description:
      '`dedicated`: a thread of its own as soon as one is available, before workers that only asked for one. `shared`: never one of its own. `auto`: by its need.',
  }),
}).openapi('IsolationDecision', { example: { lane: 'dedicated' } });

const isolate = createRoute({
  method: 'put',
  path: `${PREFIX}{id}/isolation`,
  operationId: 'isolateWorker',
  tags: ['Workers'],
  ...needs('operate'),
  summary: 'Decide which kind of lane a worker has',
  description:
    'The decision is kept while the worker is away and when the master restarts; it can also be made for an absent worker that is still stored. It never raises the number of dedicated lanes. If all are taken by workers with the same need, the answer says so, and this worker gets the next one; if there are none at all, the answer says that.',
  request: { params: WorkerPath, body: { required: true, content: { 'application/json': { schema: Decision } } } },
  responses: commandAnswers(
    'worker-1 will have a thread of its own. It shares one until its own has started.',
    'invalid_argument',
    'not_found',
    'resource_exhausted',
  ),
});

export function workerCommandRoutes(api: Api, context: AppContext): void {
  endpoint(api, approve, (c) => {
    const workerId = workerIdIn(c, PREFIX, '/approve');
    return workerId === undefined ? brokenEscape(c) : carryOut(c, context, { type: 'approve', workerId });
  });

  endpoint(api, release, (c) => {
    const workerId = workerIdIn(c, PREFIX, '/release');
    return workerId === undefined ? brokenEscape(c) : carryOut(c, context, { type: 'release', workerId });
  });

  endpoint(api, isolate, (c) => {
    const workerId = workerIdIn(c, PREFIX, '/isolation');
    const { lane: isolation } = c.req.valid('json');
    return workerId === undefined ? brokenEscape(c) : carryOut(c, context, { type: 'isolate', workerId, isolation });
  });
}
