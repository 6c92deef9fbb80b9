/** `GET /api/v1/stream`: Server-Sent Events with a snapshot of the selected workers, then their changes. */
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
import { needs } from '../api/scopes.ts';
import { FILTERS_IN_WORDS, once, selectionOf, selectionQuery } from '../api/selection-query.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { LEAST_STREAM_RATE, MOST_STREAM_RATE, STREAM_RATE } from '../http-limits.ts';

const EVENTS = `The id of each event is the revision that a client has reached with it:

- \`snapshot\`: \`{"revision","part","last","workers":[…]}\`. Part 1 replaces everything the client has; \`last\` marks the final part.
- \`delta\`: \`{"revision","updated":[…],"removed":["<id>"]}\`. \`updated\`: workers that are new, or whose requested \`fields\` changed, with all these fields. \`removed\`: workers that are gone or no longer pass the filter; a client may not have seen all of them.
- \`reset\`: \`{"reason"}\`. The client's last event is unknown (\`other_epoch\`) or too long ago (\`too_old\`); a snapshot follows.
- \`end\`: \`{"reason"}\`. The stream ends because its credentials did: \`session_over\`, \`token_removed\`, \`token_expired\` or \`certificates_changed\`. It has no id.

To resume, even in the middle of a snapshot, reconnect with the id of the last event in \`Last-Event-ID\` or \`lastEventId\`. Frequent changes are merged: only the newest state is sent. After 15 s without an event a comment is sent. ${FILTERS_IN_WORDS}`;

const rateMistake = `expected a number from ${LEAST_STREAM_RATE} to ${MOST_STREAM_RATE}, such as ${STREAM_RATE}`;
const Rate = once()
  .refine((text) => {
    const rate = Number(text);
    return /^\d{1,3}(?:\.\d{1,6})?$/.test(text) && rate >= LEAST_STREAM_RATE && rate <= MOST_STREAM_RATE;
  }, rateMistake)
  .optional()
  .openapi({
    description: `Caps updates per second: from ${LEAST_STREAM_RATE} to ${MOST_STREAM_RATE} (default ${STREAM_RATE}).`,
  });

const route = createRoute({
  method: 'get',
  path: '/api/v1/stream',
  operationId: 'streamWorkers',
  tags: ['Live updates'],
  ...needs('read'),
  summary: 'Changes of workers as Server-Sent Events',
  description: EVENTS,
  parameters: FILTER_PARAMETERS,
  request: {
    query: selectionQuery({
      rate: Rate,
      lastEventId: once().optional().openapi({ description: 'The same as Last-Event-ID, which takes precedence.' }),
    }),
    headers: z.object({
      'last-event-id': z
        .string()
        .optional()
        .openapi({ description: 'The id of the last event received; browsers send it by themselves.' }),
    }),
  },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
    ...problemAnswers('invalid_argument', 'resource_exhausted', 'unavailable'),
  },
});

const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

export function streamRoutes(api: Api, { live, refusals }: AppContext): void {
  /** A longer Retry-After than usual: room appears when clients disconnect. Browsers do not retry a refused stream at all. */
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
    // `app.request()` in tests has no bindings.
    if (outgoing === undefined) return problem(c, 'unavailable', 'a stream needs a connection');
    // The client has already disconnected, and no `close` would follow.
    if (outgoing.destroyed) return answer(c, 200, null, HEADERS);
    const query = c.req.valid('query') as { fields?: string; rate?: string; lastEventId?: string };
    try {
      live.stream(
        {
          selection: selectionOf(query),
          fields: fieldsOf(query.fields),
          rate: Number(query.rate ?? STREAM_RATE),
          // A browser's EventSource has an empty id before the first event.
          lastEventId: c.req.header('last-event-id') || query.lastEventId || undefined,
          client: clientKeyOf(c),
        },
        () => {
          // The connection cannot be reused after a stream.
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
