/**
 * `GET /api/v1/holds`: what currently keeps the master from judging silent workers.
 * `POST /api/v1/brakes/release`: treats silent workers as failed; `?group=` for one group, empty for workers without a group.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { sendJson } from '../answers/respond.ts';
import { carryOut, commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { Brake, Grace, holdsJson } from '../api/holds-schema.ts';
import { query, textParameter } from '../api/parameters.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const list = createRoute({
  method: 'get',
  path: '/api/v1/holds',
  operationId: 'getHolds',
  tags: ['Events and holds'],
  ...needs('read'),
  summary: 'What currently keeps the master from judging silent workers',
  responses: {
    200: jsonAnswer('The holds.', z.object({ grace: Grace.nullable(), brakes: z.array(Brake) }), {
      grace: null,
      brakes: [
        { group: 'rack-7', since: '2026-11-23T17:54:55.000Z', ends_at: '2026-11-23T17:59:55.000Z', silent: 9, of: 12 },
      ],
    }),
  },
});

const release = createRoute({
  method: 'post',
  path: '/api/v1/brakes/release',
  operationId: 'releaseBrakes',
  tags: ['Events and holds'],
  ...needs('operate'),
  summary: 'Release the brake on mass failure',
  description: 'Ends the brake: silent workers are treated as failed.',
  request: {
    query: query({ group: textParameter('Only this group; empty: workers without a group.', 'rack-7') }).partial(),
  },
  responses: commandAnswers('The brake is released: silent workers count as failed.', 'failed_precondition'),
});

export function holdsRoutes(api: Api, context: AppContext): void {
  endpoint(api, list, (c) => sendJson(c, 200, { grace: null, brakes: [], ...holdsJson(context.directory.holds) }));

  endpoint(api, release, (c) => carryOut(c, context, { type: 'release-brakes', group: c.req.valid('query').group }));
}
