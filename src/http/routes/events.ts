/** `GET /api/v1/events`: recent events, oldest first. */
import { createRoute, z } from '@hono/zod-openapi';
import { eventText } from '../../model/event-text.ts';
import { EVENT_TYPES, type WorkerEvent } from '../../model/events.ts';
import { STATE_CAUSES, WORKER_STATES } from '../../model/liveness.ts';
import { weakTag } from '../answers/conditional.ts';
import { sendTagged } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { query, textParameter, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, moment, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const DEFAULT_LIMIT = 100;
/** About 250 kB, written in one turn of the event loop. */
const MAX_LIMIT = 1000;

const Event = z
  .object({
    id: z.int().openapi({ description: 'Larger than the id of every earlier event.' }),
    at: moment('When it happened.'),
    type: z.enum(EVENT_TYPES),
    worker_id: z.string().nullable().openapi({ description: 'Null if the event is about a group or the master.' }),
    group: z.string().nullable().openapi({ description: 'The group of a brake. Empty: workers without a group.' }),
    from: z.enum(WORKER_STATES).nullable(),
    to: z.enum([...WORKER_STATES, 'gone']).nullable(),
    cause: z.enum(STATE_CAUSES).nullable(),
    detail: z.string().nullable(),
    text: z.string().openapi({ description: 'The whole event in words.' }),
  })
  .openapi('Event');

type EventJson = z.infer<typeof Event>;

const EXAMPLE: EventJson = {
  id: 1795456495001,
  at: '2026-11-23T17:54:55.001Z',
  type: 'state',
  worker_id: 'worker-1',
  group: null,
  from: 'suspect',
  to: 'inactive',
  cause: 'silence',
  detail: null,
  text: 'suspect → inactive: silence',
};

const route = createRoute({
  method: 'get',
  path: '/api/v1/events',
  operationId: 'listEvents',
  tags: ['Events and holds'],
  ...needs('read'),
  summary: 'Recent events, oldest first',
  description:
    'Without `after`: the newest events. With `after`: the events after that one, starting with the oldest. To follow events, ask again with `after=<last_id>`. The newest 10,000 are kept.',
  request: {
    query: query({
      limit: wholeNumber({ description: 'The most events to return.', min: 1, max: MAX_LIMIT, default: DEFAULT_LIMIT }),
      after: wholeNumber({
        description: 'Only events with an id larger than this; 0: all.',
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        example: 0,
      }),
      worker: textParameter('Only events of this worker.', 'worker-1'),
    }).partial(),
  },
  responses: {
    200: {
      headers: Tagged,
      ...jsonAnswer(
        'The events.',
        z.object({
          events: z.array(Event),
          last_id: z.int().openapi({ description: 'The id of the newest event; 0 if there is none.' }),
        }),
        { events: [EXAMPLE], last_id: EXAMPLE.id },
      ),
    },
    304: NOT_MODIFIED,
  },
});

export function eventsRoutes(api: Api, context: AppContext): void {
  const { directory, revisions } = context;

  endpoint(api, route, (c) => {
    const { limit = DEFAULT_LIMIT, after, worker } = c.req.valid('query');
    const { lastId } = directory.events;
    return sendTagged(context, c, weakTag(`${revisions.epoch}-events-${lastId}`), () => {
      const matching = directory.events
        .all()
        .filter(({ id, workerId }) => id > (after ?? 0) && (worker === undefined || workerId === worker));
      const events = after === undefined ? matching.slice(-limit) : matching.slice(0, limit);
      return { events: events.map(eventJson), last_id: lastId };
    });
  });
}

function eventJson(event: WorkerEvent): EventJson {
  const { id, atUnixMs, type, workerId, group, from, to, cause, detail } = event;
  return {
    id,
    at: new Date(atUnixMs).toISOString(),
    type,
    worker_id: workerId ?? null,
    group: group ?? null,
    from: from ?? null,
    to: to ?? null,
    cause: cause ?? null,
    detail: detail ?? null,
    text: eventText(event),
  };
}
