/**
 * `GET /api/v1/holds`: what keeps the master from judging who is alive, for now.
 * `POST /api/v1/brakes/release`: those who are silent have failed; `?group=` for one group, empty for workers of none.
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Holds } from '../../model/holds.ts';
import { sendJson } from '../answers/respond.ts';
import { carryOut, commandAnswers } from '../api/command.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { query, textParameter } from '../api/parameters.ts';
import { jsonAnswer, moment } from '../api/schemas.ts';
import type { AppContext } from '../context.ts';

export const Grace = z.object({ ends_at: moment('Until when workers of an earlier master are waited for.') });

export const Brake = z
  .object({
    group: z.string().openapi({ description: 'Empty: workers of no group.' }),
    since: moment('Since when it is held.'),
    ends_at: moment('When it is released at the latest.'),
    silent: z.int().openapi({ description: 'Workers of the group that are silent.' }),
    of: z.int().openapi({ description: 'Workers of the group that are watched.' }),
  })
  .openapi('Brake');

const list = createRoute({
  method: 'get',
  path: '/api/v1/holds',
  operationId: 'getHolds',
  tags: ['cluster'],
  summary: 'What keeps the master from judging who is alive, for now',
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
  tags: ['commands'],
  summary: 'End the brake on mass failure',
  description: 'Those who are silent have failed, and are judged.',
  request: {
    query: query({ group: textParameter('Of that group alone; empty: workers of no group.', 'rack-7') }).partial(),
  },
  responses: commandAnswers('The brake is released: who is silent counts as failed.', 'failed_precondition'),
});

export function holdsRoutes(api: Api, context: AppContext): void {
  endpoint(api, list, (c) => sendJson(c, 200, { grace: null, brakes: [], ...holdsJson(context.directory.holds) }));

  endpoint(api, release, (c) => carryOut(c, context, { type: 'release-brakes', group: c.req.valid('query').group }));
}

/** Members for an answer; none while nothing is held up. */
export function holdsJson({ graceEndsUnixMs, brakes }: Holds) {
  return {
    ...(graceEndsUnixMs === undefined ? {} : { grace: { ends_at: new Date(graceEndsUnixMs).toISOString() } }),
    ...(brakes.length === 0
      ? {}
      : {
          brakes: brakes.map(({ group, sinceUnixMs, endsUnixMs, silent, watched }) => ({
            group,
            since: new Date(sinceUnixMs).toISOString(),
            ends_at: new Date(endsUnixMs).toISOString(),
            silent,
            of: watched,
          })),
        }),
  };
}
