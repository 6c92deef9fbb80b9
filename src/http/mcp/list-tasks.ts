/** Runs of tasks. */
import { z } from '@hono/zod-openapi';
import { TASK_OUTCOMES } from '../../history/task-run.ts';
import { fewer } from './answer-size.ts';
import { cursor, from, limit, to, workerId } from './inputs.ts';
import { mcpTool } from './mcp-tool.ts';

export const listTasks = mcpTool({
  name: 'list_tasks',
  title: 'Runs of tasks',
  description:
    'What ran where and how it ended, the newest first: status, outcome, exit code, CPU seconds, memory in bytes. Needs history.',
  input: z.strictObject({
    worker_id: workerId.optional().describe('Only runs on this worker, also if it was removed.'),
    task_id: z.string().optional().describe('Only runs of this task.'),
    status: z
      .string()
      .optional()
      .describe(`One of ${TASK_OUTCOMES.join(', ')}, or the last status that the worker sent. failed: either.`),
    from: from('24 hours ago'),
    to,
    limit: limit(100, 20),
    cursor,
  }),
  run: ({ worker_id, task_id, status, from, to, limit, cursor }, { get }) =>
    fewer(limit, (most) =>
      get('/api/v1/tasks', { worker: worker_id, task: task_id, status, from, to, cursor, limit: most }),
    ),
});
