/** `GET /api/v1/events`: what happened to workers of late, oldest first. */
import { eventText } from '../../model/event-text.ts';
import type { WorkerEvent } from '../../model/events.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { problem } from '../problem.ts';
import { sendJson } from '../respond.ts';
import { type App, readOnly } from './route.ts';

const DEFAULT_LIMIT = 100;
/** Some 250 kB: made in one turn of the thread's loop. */
const MAX_LIMIT = 1000;

/**
 * `after`: events with a larger id alone, from the oldest on; without it the newest ones. `limit`: at most so many. `worker`:
 * of that worker alone.
 */
export function eventsRoutes(app: App, { directory }: AppContext): void {
  readOnly(app, '/api/v1/events', (c) => {
    const limit = wholeNumber(c, 'limit') ?? DEFAULT_LIMIT;
    const after = wholeNumber(c, 'after');
    if (Number.isNaN(limit) || limit < 1 || limit > MAX_LIMIT) {
      return problem(c, 'invalid_argument', `limit: expected a whole number from 1 to ${MAX_LIMIT}`);
    }
    if (Number.isNaN(after)) return problem(c, 'invalid_argument', 'after: expected the id of an event, or 0');
    const worker = c.req.query('worker');
    const matching = directory.events
      .all()
      .filter(({ id, workerId }) => id > (after ?? 0) && (worker === undefined || workerId === worker));
    const events = after === undefined ? matching.slice(-limit) : matching.slice(0, limit);
    return sendJson(c, 200, { events: events.map(eventJson), last_id: directory.events.lastId });
  });
}

/** NaN if it is none; undefined if it is not given. */
function wholeNumber(c: HttpContext, name: string): number | undefined {
  const text = c.req.query(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : Number.NaN;
}

export function eventJson(event: WorkerEvent) {
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
