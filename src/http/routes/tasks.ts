/** `GET /api/v1/tasks`, `GET /api/v1/workers/{id}/tasks`: runs of tasks, the newest first. */
import { createRoute, z } from '@hono/zod-openapi';
import type { TaskRunFilter } from '../../history/backend.ts';
import type { TimeRange } from '../../history/query/plan.ts';
import { QueryProblem } from '../../history/query/problem.ts';
import { rangeOf } from '../../history/query/request.ts';
import { TASK_OUTCOMES, type TaskOutcome, type TaskRun } from '../../history/task-run.ts';
import { jsonIn } from '../../lib/json.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { query, textParameter, WorkerPath, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, moment, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { historyIsOff, isRefused, problemOfQuery, refusal, signalOf } from '../history/refusals.ts';
import type { HistoryAnswers, Refused } from '../history/tasks.ts';
import { MAX_TASK_RUNS, TASK_RUNS } from '../http-limits.ts';
import { brokenEscape } from './worker.ts';
import { TIMES_IN_WORDS } from './worker-history.ts';

const PREFIX = '/api/v1/workers/';
const DEFAULT_FROM = '-24h';

const TaskRunJson = z
  .object({
    worker_id: z.string(),
    task_id: z.string(),
    status: z.string().openapi({ description: 'The last status that the worker sent: running, paused, failed.' }),
    outcome: z.enum(TASK_OUTCOMES).openapi({
      description:
        '`running`: the worker’s last heartbeat lists it. `ended`: it left the list, and the worker did not say how it ended. Otherwise as the worker said.',
    }),
    first_seen_at: moment('When the first heartbeat that lists it was received.'),
    last_seen_at: moment('When the last one was received; null while it runs.').nullable(),
    started_at: moment('As the worker said, by its clock.').nullable(),
    ended_at: moment('As the worker said, by its clock.').nullable(),
    exit_code: z.int().nullable(),
    cpu_seconds: z.number().nullable(),
    max_rss_bytes: z.number().nullable(),
    cpu_allocated: z.number().openapi({ description: 'Cores.' }),
    memory_allocated: z.number().openapi({ description: 'GiB.' }),
    gpu_allocated: z.number().openapi({ description: 'Devices.' }),
  })
  .openapi('TaskRun');

const List = z
  .object({
    tasks: z.array(TaskRunJson),
    next_cursor: z.string().nullable().openapi({ description: 'The cursor of the next page; null on the last page.' }),
  })
  .openapi('TaskRunList');

const EXAMPLE: z.input<typeof List> = {
  tasks: [
    {
      worker_id: 'worker-1',
      task_id: 'task-000000',
      status: 'running',
      outcome: 'finished',
      first_seen_at: '2026-11-23T17:02:10.104Z',
      last_seen_at: '2026-11-23T17:54:55.104Z',
      started_at: '2026-11-23T17:02:08.000Z',
      ended_at: '2026-11-23T17:54:57.000Z',
      exit_code: 0,
      cpu_seconds: 1583.2,
      max_rss_bytes: 268_435_456,
      cpu_allocated: 0.5,
      memory_allocated: 0.25,
      gpu_allocated: 0,
    },
  ],
  next_cursor: null,
};

const PARAMETERS = {
  status: textParameter(
    'How it ended, or `running`; or the last status that the worker sent, such as `paused`. `failed`: either.',
    'running',
  ),
  from: textParameter(
    `Runs that overlap the time from here on: ${TIMES_IN_WORDS}. Default: \`${DEFAULT_FROM}\`.`,
    '-24h',
  ),
  to: textParameter('… to here. Default: `now`.', 'now'),
  limit: wholeNumber({ description: 'The most runs per page.', min: 1, max: MAX_TASK_RUNS, default: TASK_RUNS }),
  cursor: textParameter('The next_cursor of the previous page.', 'WzAsIncxIiwidDEiXQ'),
};

const COMMON = {
  tags: ['History'],
  ...needs('read'),
  description:
    'A run is listed about a second after the heartbeat that tells of it. Times are the master’s, unless the description says otherwise.',
};
const ANSWERS = {
  200: jsonAnswer('One page, the newest runs first.', List, EXAMPLE),
  ...problemAnswers('invalid_argument', 'not_found', 'failed_precondition', 'resource_exhausted', 'unavailable'),
};

const all = createRoute({
  method: 'get',
  path: '/api/v1/tasks',
  operationId: 'listTasks',
  ...COMMON,
  summary: 'What ran where, and how it ended',
  request: {
    query: query({
      worker: textParameter('Only runs on this worker, also if it was removed.', 'worker-1'),
      task: textParameter('Only runs of this task.', 'task-000000'),
      ...PARAMETERS,
    }).partial(),
  },
  responses: ANSWERS,
});

const ofWorker = createRoute({
  method: 'get',
  path: `${PREFIX}{id}/tasks`,
  operationId: 'listWorkerTasks',
  ...COMMON,
  summary: 'What ran on one worker, and how it ended',
  request: { params: WorkerPath, query: query(PARAMETERS).partial() },
  responses: ANSWERS,
});

interface Asked {
  readonly worker?: string | undefined;
  readonly task?: string | undefined;
  readonly status?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export function taskRoutes(api: Api, { history, clock }: AppContext): void {
  const answer = async (c: HttpContext, asked: Asked, parameter: 'id' | 'worker'): Promise<Response> => {
    if (history === undefined) return historyIsOff(c);
    const { from = DEFAULT_FROM, to, limit = TASK_RUNS } = asked;
    try {
      const range = rangeOf({ from, to }, clock.wallMs());
      const found = await history.ask<HistoryAnswers['taskRuns'] | Refused>(
        { type: 'taskRuns', filters: filtersOf(asked, range, limit + 1), workerId: asked.worker, parameter },
        { signal: signalOf(c) },
      );
      if (isRefused(found)) return refusal(c, found);
      const shown = found.taskRuns.slice(0, limit);
      const last = shown.at(-1);
      const isLast = last === undefined || found.taskRuns.length <= limit;
      return sendJson(c, 200, { tasks: shown.map(taskRunJson), next_cursor: isLast ? null : cursorOf(last) });
    } catch (error) {
      return problemOfQuery(c, error);
    }
  };

  endpoint(api, all, (c) => answer(c, c.req.valid('query'), 'worker'));

  endpoint(api, ofWorker, (c) => {
    const workerId = workerIdIn(c, PREFIX, '/tasks');
    return workerId === undefined ? brokenEscape(c) : answer(c, { ...c.req.valid('query'), worker: workerId }, 'id');
  });
}

/** One filter, or two that are alternatives. */
function filtersOf(
  { worker, task, status, cursor }: Asked,
  { fromMs, toMs }: TimeRange,
  limit: number,
): TaskRunFilter[] {
  const filter: TaskRunFilter = {
    fromMs,
    toMs,
    limit,
    ...(worker === undefined ? {} : { workerIds: [worker] }),
    ...(task === undefined ? {} : { taskId: task }),
    ...(cursor === undefined ? {} : { after: positionIn(cursor) }),
  };
  if (status === undefined) return [filter];
  const isOutcome = (TASK_OUTCOMES as readonly string[]).includes(status);
  return [
    ...(isOutcome ? [{ ...filter, outcomes: [status as TaskOutcome] }] : []),
    // A run that has ended keeps its last status, which mostly is "running".
    ...(status === 'failed' ? [{ ...filter, status }] : []),
    ...(isOutcome ? [] : [{ ...filter, status }]),
  ];
}

function cursorOf({ firstSeenMs, workerId, taskId }: TaskRun): string {
  return Buffer.from(JSON.stringify([firstSeenMs, workerId, taskId])).toString('base64url');
}

/** @throws QueryProblem if it is malformed */
function positionIn(cursor: string): NonNullable<TaskRunFilter['after']> {
  const parts = /^[\w-]+$/.test(cursor) ? jsonIn(Buffer.from(cursor, 'base64url').toString()) : undefined;
  const [firstSeenMs, workerId, taskId] = Array.isArray(parts) && parts.length === 3 ? (parts as unknown[]) : [];
  if (!Number.isSafeInteger(firstSeenMs) || typeof workerId !== 'string' || typeof taskId !== 'string') {
    throw new QueryProblem('invalid_argument', 'not a cursor from an earlier page', 'cursor');
  }
  return { firstSeenMs: firstSeenMs as number, workerId, taskId };
}

function taskRunJson(run: TaskRun): z.infer<typeof TaskRunJson> {
  return {
    worker_id: run.workerId,
    task_id: run.taskId,
    status: run.status,
    outcome: run.outcome,
    first_seen_at: new Date(run.firstSeenMs).toISOString(),
    last_seen_at: isoOrNull(run.lastSeenMs),
    started_at: isoOrNull(run.startedMs),
    ended_at: isoOrNull(run.endedMs),
    exit_code: run.exitCode,
    cpu_seconds: run.cpuSeconds,
    max_rss_bytes: run.maxRssBytes,
    cpu_allocated: run.cpuAllocated,
    memory_allocated: run.memoryAllocated,
    gpu_allocated: run.gpuAllocated,
  };
}

/** A worker's own time may be anything. */
function isoOrNull(unixMs: number | null): string | null {
  const date = unixMs === null ? undefined : new Date(unixMs);
  return date === undefined || Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 ? null : date.toISOString();
}
