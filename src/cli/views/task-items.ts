/** Runs of tasks as `-o json`, `jsonl` and `csv` have them: the members of `GET /api/v1/tasks`. */
import { z } from 'zod';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';

const text = z.string().nullable().default(null);
const figure = z.number().nullable().default(null);

const taskItem = z.object({
  task_id: z.string(),
  worker_id: z.string(),
  status: text,
  outcome: z.string(),
  exit_code: figure,
  first_seen_at: z.string(),
  last_seen_at: text,
  started_at: text,
  ended_at: text,
  cpu_seconds: figure,
  max_rss_bytes: figure,
  cpu_allocated: figure,
  memory_allocated: figure,
  gpu_allocated: figure,
});

/** In the order in which they are printed. */
export type TaskItem = z.infer<typeof taskItem>;

/** The columns of CSV, and the documented members of JSON. */
export const TASK_FIELDS = Object.keys(taskItem.shape) as readonly (keyof TaskItem)[];

export interface TaskPage {
  readonly tasks: readonly TaskItem[];
  /** Of the next page; null: there is none. */
  readonly nextCursor: string | null;
}

export function taskPageOf({ body }: ApiAnswer): TaskPage {
  const parsed = z
    .object({ tasks: z.array(taskItem), next_cursor: z.string().nullable().default(null) })
    .safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/tasks');
  return { tasks: parsed.data.tasks, nextCursor: parsed.data.next_cursor };
}
