/** What one worker's metrics were. */
import { z } from '@hono/zod-openapi';
import { fewer } from './answer-size.ts';
import { from, to, workerId } from './inputs.ts';
import { type Json, type JsonObject, mcpTool } from './mcp-tool.ts';
import { rounded, unitOf } from './units.ts';

/** One step may begin before the range: fewer cannot cover it. */
const MIN_POINTS = 2;

export const workerHistory = mcpTool({
  name: 'get_worker_history',
  title: 'One worker’s history',
  description:
    'What metrics of one worker were over a time, also if the worker was removed: for each metric rows of [time, least, mean, greatest], so that no spike is hidden, and `gaps`, which are known times without samples and why. Ask for a shorter time or fewer metrics to see more detail.',
  input: z.strictObject({
    worker_id: workerId,
    metrics: z
      .array(z.string())
      .min(1)
      .max(8)
      .default(['cpu_usage', 'memory_usage'])
      .describe(
        'cpu_usage, memory_usage, storage_usage, gpu_usage (percent), running_tasks, metrics.<name> (custom), gpus.<index>.<field>. Default: cpu_usage and memory_usage.',
      ),
    from: from('one hour ago'),
    to,
    points: z.int().min(MIN_POINTS).max(200).default(24).describe('The most rows per metric, 2 to 200. Default: 24.'),
  }),
  run: ({ worker_id, metrics, from, to, points }, { get }) =>
    fewer(points, async (most) => {
      const limits = { from, to, points: Math.max(MIN_POINTS, most) };
      const path = `/api/v1/workers/${encodeURIComponent(worker_id)}/history`;
      const answer = await get(path, { metric: metrics, ...limits });
      const { from: began = null, to: ended = null, degraded = null } = answer;
      // Of one metric, the series is the answer itself.
      const series = (answer.series as readonly JsonObject[] | undefined) ?? [answer];
      return { worker_id, from: began, to: ended, degraded, series: series.map(seriesOf) };
    }),
});

function seriesOf({ metric = null, step_ms = null, tier = null, points, gaps = null }: JsonObject): JsonObject {
  const rows = (points as readonly JsonObject[]).map(
    ({ at, min, mean, max }): Json => [at as Json, ...[min, mean, max].map((value) => rounded(value as number))],
  );
  return { metric, unit: unitOf(String(metric)), step_ms, tier, columns: ['at', 'min', 'mean', 'max'], rows, gaps };
}
