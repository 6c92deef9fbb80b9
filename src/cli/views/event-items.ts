/** Events as `-o json`, `jsonl` and `csv` have them: the members of `GET /api/v1/events`. */
import { z } from 'zod';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import type { EventRow } from './events-text.ts';

const text = z.string().nullable().default(null);

const eventItem = z.object({
  id: z.number().nullable().default(null),
  at: z.string(),
  type: text,
  worker_id: text,
  group: text,
  from: text,
  to: text,
  cause: text,
  detail: text,
  text: z.string(),
});

/** In the order in which they are printed. */
export type EventItem = z.infer<typeof eventItem>;

/** The columns of CSV, and the documented members of JSON. */
export const EVENT_FIELDS = Object.keys(eventItem.shape) as readonly (keyof EventItem)[];

/** Of `GET /api/v1/events`, oldest first. */
export function eventItemsOf({ body }: ApiAnswer): EventItem[] {
  const parsed = z.object({ events: z.array(eventItem) }).safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/events');
  return parsed.data.events;
}

export function eventRowOf({ at, worker_id, group, text }: EventItem): EventRow {
  return { atUnixMs: Date.parse(at), whom: worker_id ?? group ?? '', text };
}
