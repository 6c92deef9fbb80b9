/**
 * `GET /api/v1/internal-state`: what `internal-state` shows at the prompt. Unlike other reads it asks the main thread,
 * because only main knows idle lanes and why threads failed; while main is stuck it answers 503.
 */
import { createRoute } from '@hono/zod-openapi';
import { lanesWithWorkers } from '../../reading/lane-workers.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { INTERNAL_STATE } from '../api/examples.ts';
import { InternalStateJson, internalStateJson } from '../api/internal-state-schema.ts';
import { jsonAnswer, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const route = createRoute({
  method: 'get',
  path: '/api/v1/internal-state',
  operationId: 'getInternalState',
  tags: ['Lanes and limits'],
  ...needs('read'),
  summary: 'Lanes, memory and counts inside the master',
  responses: {
    200: jsonAnswer('The state.', InternalStateJson, INTERNAL_STATE),
    ...problemAnswers('resource_exhausted', 'unavailable'),
  },
});

export function internalStateRoutes(api: Api, { command, directory, refusals }: AppContext): void {
  endpoint(api, route, async (c) => {
    const reply = await command({ type: 'internal-state' });
    if (reply.reason !== undefined) refusals.count(reply.reason);
    if (!reply.ok) return problem(c, reply.code, reply.message);
    if (reply.state === undefined) return problem(c, 'internal', 'internal error');
    return sendJson(c, 200, internalStateJson(reply.state, lanesWithWorkers(directory)));
  });
}
