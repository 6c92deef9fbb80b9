/** The whole fleet in figures. */
import { z } from '@hono/zod-openapi';
import { mcpTool } from './mcp-tool.ts';

export const fleetSummary = mcpTool({
  name: 'fleet_summary',
  title: 'The fleet in figures',
  description:
    'Counts of workers by state, usage over all active workers (percent: mean, min, max, percentiles), running tasks, heartbeats, what keeps the master from judging workers (grace, brakes), and how many alerts fire, by severity (ask list_alerts why). Start here.',
  input: z.strictObject({}),
  run: async (_, { get, nowMs }) => {
    const { revision: __, ...figures } = await get('/api/v1/cluster');
    return { now: new Date(nowMs()).toISOString(), ...figures };
  },
});
