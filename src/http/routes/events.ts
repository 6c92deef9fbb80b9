/** `GET /api/v1/events`: events, oldest first: the newest 10,000 from memory, earlier ones from history. */
import { createHash } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { EventFilter } from '../../history/backend.ts';
import type { TimeRange } from '../../history/query/plan.ts';
import { rangeOf } from '../../history/query/request.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { CLOSED_BECAUSE } from '../../model/alert.ts';
import { eventText } from '../../model/event-text.ts';
import { EVENT_TYPES, type WorkerEvent } from '../../model/events.ts';
import { STATE_CAUSES, WORKER_STATES } from '../../model/liveness.ts';
import { notModified, weakTag } from '../answers/conditional.ts';
import { varyHeader } from '../answers/encoding.ts';
import { sendJson, sendTagged } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { query, textParameter, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, moment, NOT_MODIFIED, problemAnswers, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import type { HistoryPool } from '../history/pool.ts';
import { isRefused, problemOfQuery, signalOf } from '../history/refusals.ts';
import type { HistoryAnswers, Refused } from '../history/tasks.ts';
import { EARLIER_EVENTS_WITHIN_MS } from '../http-limits.ts';
import { TIMES_IN_WORDS } from './worker-history.ts';

const DEFAULT_LIMIT = 100;
/** About 250 kB, written in one turn of the event loop. */
const MAX_LIMIT = 1000;

const Event = z
  .object({
    id: z.int().openapi({ description: 'Larger than the id of every earlier event.' }),
    at: moment('When it happened.'),
    type: z.enum(EVENT_TYPES),
    worker_id: z
      .string()
      .nullable()
      .openapi({ description: 'Null if the event is about a group, the cluster or the master.' }),
    group: z
      .string()
      .nullable()
      .openapi({ description: 'The group of a brake or of an alert. Empty: workers without a group.' }),
    from: z.enum(WORKER_STATES).nullable(),
    to: z.enum([...WORKER_STATES, 'gone']).nullable(),
    cause: z.enum(STATE_CAUSES).nullable(),
    detail: z.string().nullable(),
    alert: z
      .object({
        id: z.string(),
        rule: z.string(),
        severity: z.string(),
        closed_because: z.enum(CLOSED_BECAUSE).nullable().openapi({ description: 'Null while the alert fires.' }),
      })
      .nullable()
      .openapi({ description: 'The alert that fires or is resolved.' }),
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
  alert: null,
  text: 'suspect → inactive: silence',
};

const route = createRoute({
  method: 'get',
  path: '/api/v1/events',
  operationId: 'listEvents',
  tags: ['Events and holds'],
  ...needs('read'),
  summary: 'Events, oldest first',
  description:
    'Without `after`: the newest events. With `after`: the events after that one, starting with the oldest. To follow events, ask again with `after=<last_id>`; ids go on when the master restarts. The newest 10,000 are kept in memory, earlier ones in history; while history is off, only those in memory.',
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
      from: textParameter(`Only events from then on: ${TIMES_IN_WORDS}.`, '-1h'),
      to: textParameter('Only events before then.', 'now'),
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
          degraded: z
            .object({ detail: z.string() })
            .optional()
            .openapi({ description: 'Present if earlier events are missing because history does not answer.' }),
        }),
        { events: [EXAMPLE], last_id: EXAMPLE.id },
      ),
    },
    304: NOT_MODIFIED,
    ...problemAnswers('invalid_argument', 'resource_exhausted', 'unavailable'),
  },
});

export function eventsRoutes(api: Api, context: AppContext): void {
  const { directory, revisions, history, clock } = context;

  endpoint(api, route, async (c) => {
    const { limit = DEFAULT_LIMIT, after, worker, from, to } = c.req.valid('query');
    const { lastId } = directory.events;
    // While the database does not answer, an answer may lack what a later one has.
    const state = `${revisions.epoch}-events-${lastId}-${directory.history?.state ?? 'off'}`;
    // With a range, the answer changes as time goes on, too: then its events tell whether the client has it.
    const hasRange = from !== undefined || to !== undefined;
    const known = hasRange ? undefined : notModified(c, weakTag(state), varyHeader(c));
    if (known !== undefined) return known;
    const send = (events: readonly WorkerEvent[]) => {
      const tag = weakTag(hasRange ? `${state}-${hashOfIds(events)}` : state);
      return sendTagged(context, c, tag, () => answerOf(events, Math.max(lastId, events.at(-1)?.id ?? 0)));
    };
    try {
      const nowMs = clock.wallMs();
      const range = hasRange ? rangeOf({ from: from ?? '0', to }, nowMs) : undefined;
      const asked = { limit, after, workerId: worker, range };
      const here = directory.events.all();
      const matching = here.filter((event) => isAskedFor(event, asked));
      if (history === undefined || isInMemory(asked, here, matching)) {
        return await send(cut(matching, asked));
      }
      const found = await earlierEvents(history, earlierThan(here[0], asked), clock, signalOf(c));
      if ('missing' in found) {
        return sendJson(c, 200, { ...answerOf(cut(matching, asked), lastId), degraded: { detail: found.missing } });
      }
      return await send(cut([...found.events, ...matching], asked));
    } catch (error) {
      return problemOfQuery(c, error);
    }
  });
}

interface Asked {
  readonly limit: number;
  readonly after: number | undefined;
  readonly workerId: string | undefined;
  readonly range: TimeRange | undefined;
}

function isAskedFor({ id, workerId, atUnixMs }: WorkerEvent, asked: Asked): boolean {
  const { after = 0, range } = asked;
  if (id <= after || (asked.workerId !== undefined && workerId !== asked.workerId)) return false;
  return range === undefined || (atUnixMs >= range.fromMs && atUnixMs < range.toMs);
}

/** Whether history would add nothing. */
function isInMemory(
  { after, limit, range }: Asked,
  here: readonly WorkerEvent[],
  matching: readonly WorkerEvent[],
): boolean {
  const [first] = here;
  if (first !== undefined && range !== undefined && range.fromMs > first.atUnixMs) return true;
  if (after === undefined) return matching.length >= limit;
  return first !== undefined && after + 1 >= first.id;
}

/** Events from history, or why they are missing: what is in memory is answered in any case. */
async function earlierEvents(
  history: HistoryPool,
  filter: EventFilter,
  clock: AppContext['clock'],
  gone: AbortSignal,
): Promise<{ readonly events: readonly WorkerEvent[] } | { readonly missing: string }> {
  const late = new AbortController();
  const timer = clock.after(EARLIER_EVENTS_WITHIN_MS, () => late.abort());
  try {
    const signal = AbortSignal.any([gone, late.signal]);
    const found = await history.ask<HistoryAnswers['events'] | Refused>({ type: 'events', filter }, { signal });
    return isRefused(found) ? { missing: found.refused.message } : found;
  } catch (error) {
    if (!(error instanceof PulselaneError)) throw error;
    const isLate = late.signal.aborted;
    return { missing: isLate ? `history did not answer within ${EARLIER_EVENTS_WITHIN_MS} ms` : error.message };
  } finally {
    timer.cancel();
  }
}

function hashOfIds(events: readonly WorkerEvent[]): string {
  return createHash('sha256')
    .update(events.map(({ id }) => id).join())
    .digest('base64url');
}

/** What memory does not have. */
function earlierThan(first: WorkerEvent | undefined, { limit, after, workerId, range }: Asked): EventFilter {
  return {
    limit,
    prefer: after === undefined ? 'newest' : 'oldest',
    ...(first === undefined ? {} : { beforeId: first.id }),
    ...(after === undefined ? {} : { afterId: after }),
    ...(workerId === undefined ? {} : { workerId }),
    ...range,
  };
}

function cut(events: readonly WorkerEvent[], { after, limit }: Asked): readonly WorkerEvent[] {
  return after === undefined ? events.slice(-limit) : events.slice(0, limit);
}

function answerOf(events: readonly WorkerEvent[], lastId: number) {
  return { events: events.map(eventJson), last_id: lastId };
}

function eventJson(event: WorkerEvent): EventJson {
  const { id, atUnixMs, type, workerId, group, from, to, cause, detail, alertId, rule, severity, closedBecause } =
    event;
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
    alert:
      alertId === undefined || rule === undefined || severity === undefined
        ? null
        : { id: alertId, rule, severity, closed_because: closedBecause ?? null },
    text: eventText(event),
  };
}
