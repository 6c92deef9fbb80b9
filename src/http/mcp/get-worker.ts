/** One worker's present state. */
import { z } from '@hono/zod-openapi';
import { workerId } from './inputs.ts';
import { type JsonObject, mcpTool } from './mcp-tool.ts';

export const getWorker = mcpTool({
  name: 'get_worker',
  title: 'One worker’s state',
  description:
    'Everything known about one worker now: state and why, usage in percent, running tasks, custom metrics, GPUs, what became of its heartbeats, its lane, the last fault and rejection. Long lists are cut, and `cut` says which: `list_tasks` with status running pages through its tasks, `get_worker_history` has any metric.',
  input: z.strictObject({ worker_id: workerId }),
  run: async ({ worker_id }, { get }) => {
    const detail = await get(`/api/v1/workers/${encodeURIComponent(worker_id)}`);
    // Sizes are about the master's memory, not about the worker.
    const { record_bytes: _, record_room_bytes: __, has_gpu, record, ...facts } = detail;
    const { gpu_usage = null, ...values } = (record ?? {}) as JsonObject;
    // Without a GPU, its usage of 0 is no measurement.
    return { ...facts, record: has_gpu === true ? { ...values, gpu_usage } : values };
  },
});
