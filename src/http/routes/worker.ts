/** `GET /api/v1/workers/{id}`: everything known about one worker. `DELETE`: forgets it. */
import { createRoute } from '@hono/zod-openapi';
import { PulselaneError } from '../../lib/errors.ts';
import { conditionalHeaders, notModified, weakTag } from '../answers/conditional.ts';
import { acceptsGzip, varyHeader } from '../answers/encoding.ts';
import { problem, problemOf } from '../answers/problem.ts';
import { sendBody } from '../answers/respond.ts';
import { carryOut, commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { WORKER_DETAIL } from '../api/examples.ts';
import { WorkerPath } from '../api/parameters.ts';
import { jsonAnswer, NOT_MODIFIED, problemAnswers, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { putWorkerDetail, WorkerDetailSchema } from '../api/worker-detail.ts';
import type { JsonText } from '../bodies/json-text.ts';
import type { AppContext, HttpContext } from '../context.ts';

const PREFIX = '/api/v1/workers/';

const read = createRoute({
  method: 'get',
  path: `${PREFIX}{id}`,
  operationId: 'getWorker',
  tags: ['Workers'],
  ...needs('read'),
  summary: 'Everything known about one worker',
  request: { params: WorkerPath },
  responses: {
    200: { ...jsonAnswer('The worker.', WorkerDetailSchema, WORKER_DETAIL), headers: Tagged },
    304: NOT_MODIFIED,
    ...problemAnswers('not_found', 'resource_exhausted', 'unavailable'),
  },
});

const unregister = createRoute({
  method: 'delete',
  path: `${PREFIX}{id}`,
  operationId: 'unregisterWorker',
  tags: ['Workers'],
  ...needs('operate'),
  summary: 'Forget a worker',
  description:
    'Ends its lane and discards its values and its approval. With open admission, its next heartbeat admits it again; otherwise it must be approved again.',
  request: { params: WorkerPath },
  responses: commandAnswers(
    'worker-1 is forgotten. Admission is open: its next heartbeat admits it again.',
    'not_found',
  ),
});

export function workerRoutes(api: Api, context: AppContext): void {
  const { directory, revisions, queries } = context;

  endpoint(api, read, async (c) => {
    const workerId = workerIdIn(c, PREFIX);
    if (workerId === undefined) return brokenEscape(c);
    const entry = directory.get(workerId);
    const unknown = new PulselaneError('not_found', `no worker is called ${JSON.stringify(workerId)}`);
    if (entry === undefined) return problemOf(c, unknown);
    // Before reading: a later change makes the next tag differ.
    revisions.look();
    const etag = weakTag(revisions.textOf(revisions.of(entry)));
    const known = notModified(c, etag, varyHeader(c));
    if (known !== undefined) return known;
    const write = (text: JsonText) => {
      if (!putWorkerDetail(text, entry, context)) throw unknown;
    };
    try {
      const body = await queries.text(write, acceptsGzip(c.req.header('accept-encoding')));
      return sendBody(c, body, conditionalHeaders(etag));
    } catch (error) {
      return problemOf(c, error);
    }
  });

  endpoint(api, unregister, (c) => {
    const workerId = workerIdIn(c, PREFIX);
    if (workerId === undefined) return brokenEscape(c);
    return carryOut(c, context, { type: 'unregister', workerId });
  });
}

export function brokenEscape(c: HttpContext): Response {
  return problem(c, 'invalid_argument', 'the path is not valid percent-encoded UTF-8');
}
