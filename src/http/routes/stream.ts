/** `GET /api/v1/stream`: Server-Sent Events, a snapshot of the workers that are selected and then what changes. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { createRoute, z } from '@hono/zod-openapi';
import { PulselaneError } from '../../lib/errors.ts';
import { fieldsOf } from '../../reading/fields.ts';
import { clientKeyOf } from '../access/client-key.ts';
import { answer } from '../answers/common-headers.ts';
import { problem } from '../answers/problem.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { FILTER_PARAMETERS } from '../api/parameters.ts';
import { problemAnswers } from '../api/schemas.ts';
import { FILTERS_IN_WORDS, once, selectionOf, selectionQuery } from '../api/selection-query.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { LEAST_STREAM_RATE, MOST_STREAM_RATE, STREAM_RATE } from '../http-limits.ts';

const EVENTS = `Events, each with the revision up to which it tells everything as its id:

- \`snapshot\`: \`{"revision","part","last","workers":[…]}\`. With part 1 forget all that you have. \`last\` says whether it is complete.
- \`delta\`: \`{"revision","updated":[…],"removed":["<id>"]}\`: workers that are new, or changed in the \`fields\` that were asked for, with all of these; and who is gone, or passes the filter no longer. Some that are removed you may never have seen.
- \`reset\`: \`{"reason"}\`: where you stopped is not known (\`other_epoch\`) or too long ago (\`too_old\`); a snapshot follows.
- \`end\`: \`{"reason"}\`: the stream ends because the credentials that it came with do: \`session_over\`, \`token_removed\`, \`token_expired\` or \`certificates_changed\`. It has no id.

Connect again with the id of the last event, in \`Last-Event-ID\` or \`lastEventId\`, to go on where you stopped, in the middle of a snapshot too. What changes often is told in its newest state only. A comment comes where there was nothing for 15 s. ${FILTERS_IN_WORDS}`;

const rateMistake = `a number from ${LEAST_STREAM_RATE} to ${MOST_STREAM_RATE}, such as ${STREAM_RATE}, is expected`;
const Rate = once()
  .refine((text) => {
    const rate = Number(text);
    return /^\d{1,3}(?:\.\d{1,6})?$/.test(text) && rate >= LEAST_STREAM_RATE && rate <= MOST_STREAM_RATE;
  }, rateMistake)
  .optional()
  .openapi({
    description: `Updates a second, at most: from ${LEAST_STREAM_RATE} to ${MOST_STREAM_RATE}; ${STREAM_RATE} if nothing is said.`,
  });

const route = createRoute({
  method: 'get',
  path: '/api/v1/stream',
  operationId: 'streamWorkers',
  tags: ['live'],
  summary: 'Workers as they change, as Server-Sent Events',
  description: EVENTS,
  parameters: FILTER_PARAMETERS,
  request: {
    query: selectionQuery({
      rate: Rate,
      lastEventId: once().optional().openapi({ description: 'As Last-Event-ID, which is stronger.' }),
    }),
    headers: z.object({
      'last-event-id': z
        .string()
        .optional()
        .openapi({ description: 'The id of the last event that the client has seen; browsers send it by themselves.' }),
    }),
  },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
    ...problemAnswers('invalid_argument', 'resource_exhausted', 'unavailable'),
  },
});

const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

export function streamRoutes(api: Api, { live, refusals }: AppContext): void {
  /** Clients that go make room soon: browsers would not ask again by themselves, others should not at once. */
  const refusal = (c: HttpContext, error: PulselaneError) => {
    refusals.countError(error);
    const { code, message } = error;
    return problem(c, code, message, { headers: { 'Retry-After': '5' } });
  };

  endpoint(api, route, (c) => {
    const refused = live.refusal();
    if (refused !== undefined) return refusal(c, refused);
    if (c.req.method === 'HEAD') return answer(c, 200, null, HEADERS);
    const outgoing = (c.env as HttpEnv['Bindings'] | undefined)?.outgoing;
    // Hono gives no bindings at all where there is no server.
    if (outgoing === undefined) return problem(c, 'unavailable', 'a stream needs a connection');
    // Gone already: nothing would tell that it is.
    if (outgoing.destroyed) return answer(c, 200, null, HEADERS);
    const query = c.req.valid('query') as { fields?: string; rate?: string; lastEventId?: string };
    try {
      live.stream(
        {
          selection: selectionOf(query),
          fields: fieldsOf(query.fields),
          rate: Number(query.rate ?? STREAM_RATE),
          // Empty is what it is before the first event.
          lastEventId: c.req.header('last-event-id') || query.lastEventId || undefined,
          client: clientKeyOf(c),
        },
        () => {
          // The connection is of no use to anybody after it.
          outgoing.shouldKeepAlive = false;
          return outgoing.writeHead(200, { ...c.get('commonHeaders'), ...HEADERS });
        },
      );
    } catch (error) {
      if (error instanceof PulselaneError) return refusal(c, error);
      throw error;
    }
    return RESPONSE_ALREADY_SENT;
  });
}
