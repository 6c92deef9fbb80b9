/**
 * `POST /api/v1/workers/{id}/approve` and `…/release`: lets a worker in; out of quarantine before its time.
 * `PUT /api/v1/workers/{id}/isolation`: decides whether it has a lane of its own.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { ISOLATIONS } from '../../model/isolation.ts';
import { carryOut, commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { WorkerPath } from '../api/parameters.ts';
import type { AppContext } from '../context.ts';
import { brokenEscape } from './worker.ts';

const PREFIX = '/api/v1/workers/';

const approve = createRoute({
  method: 'post',
  path: `${PREFIX}{id}/approve`,
  operationId: 'approveWorker',
  tags: ['commands'],
  summary: 'Let in a worker',
  description:
    'One that waits for approval, or one that has never come: then it is let in when it comes. While admission is open nobody waits, and only a worker that is known can be approved.',
  request: { params: WorkerPath },
  responses: commandAnswers('worker-1 is approved.', 'invalid_argument', 'failed_precondition', 'resource_exhausted'),
});

const release = createRoute({
  method: 'post',
  path: `${PREFIX}{id}/release`,
  operationId: 'releaseWorker',
  tags: ['commands'],
  summary: 'End a quarantine before its time',
  description: 'A worker that keeps ending its lane is in quarantine for a while; this starts its lane again now.',
  request: { params: WorkerPath },
  responses: commandAnswers('worker-1 is released: its lane is started again.', 'not_found', 'failed_precondition'),
});

const Decision = z
  .strictObject({
    lane: z.enum(ISOLATIONS, { error: `expected one of ${ISOLATIONS.join(', ')}` }).openapi({
      description:
        '`dedicated`: a thread of its own as soon as there is one, before those who only wish for it. `shared`: never one. `auto`: by what it needs.',
    }),
  })
  .openapi('IsolationDecision', { example: { lane: 'dedicated' } });

const isolate = createRoute({
  method: 'put',
  path: `${PREFIX}{id}/isolation`,
  operationId: 'isolateWorker',
  tags: ['commands'],
  summary: 'Decide which kind of lane a worker has',
  description:
    'The decision outlives the worker’s absence and the master; it can also be made for a worker that is not there, if anything is kept of it. It never raises the number of dedicated lanes: where all are taken by workers that need them as much, the answer says so, and the next one is for this worker; where there are none at all, it says that, too.',
  request: { params: WorkerPath, body: { required: true, content: { 'application/json': { schema: Decision } } } },
  responses: commandAnswers(
    'worker-1 is to have a thread of its own. It shares one until its own is started.',
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
