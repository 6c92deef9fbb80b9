/** Events of the fleet. */
import { z } from '@hono/zod-openapi';
import { fewer } from './answer-size.ts';
import { from, limit, to, workerId } from './inputs.ts';
import { type JsonObject, mcpTool } from './mcp-tool.ts';

export const listEvents = mcpTool({
  name: 'list_events',
  title: 'Events',
  description:
    'Events, oldest first: changes of state and why, restarts, stuck and flapping workers, refused identities, brakes, alerts, faults of the master. Without `after_id`: the newest ones of the time. With it: those that follow the event with this id.',
  input: z.strictObject({
    worker_id: workerId.optional().describe('Only events of this worker.'),
    from: from('no limit'),
    to,
    after_id: z.int().min(0).optional().describe('Only events with a larger id; 0: from the oldest on.'),
    limit: limit(200, 50),
  }),
  run: ({ worker_id, from, to, after_id, limit }, { get }) =>
    fewer(limit, async (most) => {
      const range = { worker: worker_id, from, to, after: after_id };
      const { events, ...rest } = await get('/api/v1/events', { ...range, limit: most });
      const all = events as readonly JsonObject[];
      return {
        events: all.map(eventOf),
        ...(all.length === most ? { note: noteOf(after_id === undefined, all) } : {}),
        ...rest,
      };
    }),
});

function noteOf(isNewest: boolean, events: readonly JsonObject[]): string {
  const [id, at] = isNewest ? [events[0]?.id, events[0]?.at] : [events.at(-1)?.id, events.at(-1)?.at];
  return isNewest
    ? `There may be earlier ones: ask with to=${at}.`
    : `There may be later ones: ask with after_id=${id}.`;
}

/** `text` says all that the other members of an event do. */
function eventOf({
  id = null,
  at = null,
  worker_id = null,
  group = null,
  type = null,
  text = null,
}: JsonObject): JsonObject {
  return { id, at, worker_id, group, type, text };
}
