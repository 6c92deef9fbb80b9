/** Workers that pass filters. */
import { z } from '@hono/zod-openapi';
import { LANE_KINDS } from '../../model/lanes.ts';
import { WORKER_STATES } from '../../model/liveness.ts';
import { numberNames } from '../../reading/criteria.ts';
import { fewer } from './answer-size.ts';
import { cursor, limit } from './inputs.ts';
import { type JsonObject, mcpTool } from './mcp-tool.ts';

/** What tells workers apart; `get_worker` has the rest. */
const FIELDS = [
  'state',
  'cause',
  'since',
  'stuck',
  'flapping',
  'id_conflict',
  'group',
  'labels',
  'lane_state',
  'skew_ms',
  'restarts',
  'missed',
  'last_update_at',
  'cpu_usage',
  'memory_usage',
  'storage_usage',
  'gpu_usage',
  'has_gpu',
  'running_tasks_count',
].join();

const range = (word: string) =>
  z
    .record(z.string(), z.number())
    .optional()
    .describe(
      `Fields with a value of at ${word} this: {"cpu_usage": 90}. Fields: ${numberNames()}. Usages are percent.`,
    );

export const findWorkers = mcpTool({
  name: 'find_workers',
  title: 'Find workers',
  description:
    'Workers that pass all given filters, with state, labels and present usage in percent. `total` counts all that match; if `next_cursor` is present there are more.',
  input: z.strictObject({
    states: z.array(z.enum(WORKER_STATES)).optional().describe('In one of these states.'),
    group: z.string().optional().describe('In this group; empty: workers without a group.'),
    isolation: z.array(z.enum(LANE_KINDS)).optional().describe('With one of these kinds of lane.'),
    id_prefix: z.string().optional().describe('Whose id starts so.'),
    labels: z.record(z.string(), z.string()).optional().describe('With these labels: {"zone": "a"}.'),
    min: range('least'),
    max: range('most'),
    sort: z
      .string()
      .optional()
      .describe('Fields separated by commas, each with - in front for descending: "-cpu_usage,worker_id".'),
    limit: limit(50, 20),
    cursor,
  }),
  run: ({ states, group, isolation, id_prefix, labels, min, max, sort, cursor, limit }, { get }) => {
    const parameters = {
      state: states?.join(),
      group,
      isolation: isolation?.join(),
      prefix: id_prefix,
      ...prefixed('label', labels),
      ...prefixed('min', min),
      ...prefixed('max', max),
      sort,
      cursor,
      fields: FIELDS,
    };
    return fewer(limit, async (most) => {
      const { revision: _, workers, ...page } = await get('/api/v1/workers', { ...parameters, limit: most });
      return { workers: (workers as readonly JsonObject[]).map(withoutGpuIfNone), ...page };
    });
  },
});

/** Without a GPU, its usage of 0 is no measurement. */
function withoutGpuIfNone({ has_gpu, gpu_usage = null, ...worker }: JsonObject): JsonObject {
  return has_gpu === true ? { ...worker, gpu_usage } : worker;
}

function prefixed<Value>(prefix: string, values: Readonly<Record<string, Value>> = {}): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));
}
