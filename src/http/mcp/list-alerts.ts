/** Which alerts there are, and why. */
import { z } from '@hono/zod-openapi';
import { ALERT_STATES } from '../../model/alert.ts';
import { fewer } from './answer-size.ts';
import { cursor, limit, workerId } from './inputs.ts';
import { type Json, type JsonObject, mcpTool } from './mcp-tool.ts';

export const listAlerts = mcpTool({
  name: 'list_alerts',
  title: 'Alerts, and why they fire',
  description:
    'Alerts of the master’s rules, firing ones first. Each with its expression, the values of its parts when it became pending, when it fired and now, the last transitions, and why receivers are not told of it (silenced, inhibited, muted).',
  input: z.strictObject({
    state: z.enum(ALERT_STATES).optional().describe('Only alerts in this state. Default: firing and pending ones.'),
    severity: z.string().optional().describe('Only alerts of this severity, such as page.'),
    rule: z.string().optional().describe('Only alerts of the rule with this name.'),
    worker_id: workerId.optional().describe('Only alerts about this worker.'),
    group: z.string().optional().describe('Only alerts about this group and its workers.'),
    limit: limit(100, 20),
    cursor,
  }),
  run: ({ state, worker_id, limit: most, ...filters }, { get }) =>
    fewer(most, async (limit) => {
      const asked = { ...filters, state: state ?? 'firing,pending', worker: worker_id, limit };
      const { alerts, ...rest } = await get('/api/v1/alerts', asked);
      return { alerts: (alerts as readonly JsonObject[]).map(alertOf), ...rest };
    }),
});

/** Without what the others say. */
function alertOf({ labels: _, why, ...alert }: JsonObject): JsonObject {
  const { transitions = [], ...values } = why as JsonObject;
  const last = (transitions as readonly Json[]).slice(-4);
  return { ...alert, why: { ...values, transitions: last } };
}
