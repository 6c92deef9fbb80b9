/** `pulselane tasks [id]`: what ran where, and how it ended. */
import type { Command } from 'commander';
import { TASK_OUTCOMES } from '../../history/task-run.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { TASK_FIELDS, type TaskItem, taskPageOf } from '../views/task-items.ts';
import { tasksText } from '../views/tasks-text.ts';
import type { ApiClient, QueryParameters } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';
import { addRangeOptions, type RangeFlags, rangeOfFlags } from './time-range.ts';

interface TaskFlags extends RangeFlags {
  readonly status?: string;
  readonly task?: string;
  readonly limit?: string;
}

const DEFAULT_LAST = '24h';
/** A worker may send others. */
const STATUSES = [...TASK_OUTCOMES, 'paused'];
const DEFAULT_LIMIT = 100;
/** Held in memory until all are there. */
const MAX_LIMIT = 100_000;

export function tasksCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addRangeOptions(
    clientCommand('tasks', 'show which tasks ran, where, and how they ended', LIST_FORMATS).argument(
      '[id]',
      'only those of this worker; it may be a forgotten one',
    ),
    DEFAULT_LAST,
  )
    .option('--status <status>', `only those that ended so, or whose last status it was: ${STATUSES.join(', ')} …`)
    .option('--task <task>', 'only runs of this task')
    .option('--limit <n>', `at most so many, the newest (default: ${DEFAULT_LIMIT})`);
  command.addHelpText(
    'after',
    examples(
      'pulselane tasks --last 24h',
      'pulselane tasks worker-1 --status failed',
      'pulselane tasks --task frame-17 --last 30d',
      'pulselane tasks --from -7d --limit 10000 -o csv > tasks.csv',
    ),
  );
  return command.action(async (workerId: string | undefined) => {
    if (workerId !== undefined) checkWorkerId(workerId);
    const flags = command.opts<TaskFlags>();
    const { limit, ...parameters } = parametersOf(flags, clock.wallMs());
    const { tasks, hasMore, nowMs } = await listed(apiClientOf(command, clock), workerId, parameters, limit);
    const text = (page: Parameters<typeof tasksText>[2]) => tasksText(tasks, { nowMs, hasMore }, page);
    printAnswer({ json: { tasks }, items: tasks, fields: TASK_FIELDS, text }, command, streams);
  });
}

/** @throws PulselaneError `invalid_argument`, naming the flag */
function parametersOf(flags: TaskFlags, nowMs: number) {
  const { status, task, limit = String(DEFAULT_LIMIT) } = flags;
  const most = /^\d{1,6}$/.test(limit) ? Number(limit) : 0;
  if (most < 1 || most > MAX_LIMIT) {
    throw new PulselaneError(
      'invalid_argument',
      `--limit ${limit || '""'}: expected a whole number, 1 to ${MAX_LIMIT}`,
    );
  }
  return {
    ...rangeOfFlags(flags, { nowMs, defaultLast: DEFAULT_LAST }),
    ...(status === undefined ? {} : { status }),
    ...(task === undefined ? {} : { task }),
    limit: most,
  };
}

/** Page by page. */
async function listed(api: ApiClient, workerId: string | undefined, parameters: QueryParameters, limit: number) {
  const tasks: TaskItem[] = [];
  let cursor: string | undefined;
  for (;;) {
    const answer = await api.tasks(workerId, { ...parameters, limit: String(limit - tasks.length) }, cursor);
    const page = taskPageOf(answer);
    tasks.push(...page.tasks);
    cursor = page.nextCursor ?? undefined;
    if (cursor === undefined || tasks.length >= limit) {
      return { tasks, hasMore: cursor !== undefined, nowMs: answer.atUnixMs };
    }
  }
}
