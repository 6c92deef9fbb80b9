/** What changed in the fleet between two times. */
import { z } from '@hono/zod-openapi';
import { rangeOf } from '../../history/query/request.ts';
import { messageOf } from '../../lib/errors.ts';
import { fits } from './answer-size.ts';
import { type EventJson, HIGH_PERCENT, listed, type Rise, risesOf, summaryOf } from './changes.ts';
import { from, limit, to, workerId } from './inputs.ts';
import { type JsonObject, mcpTool, type ToolContext, ToolError } from './mcp-tool.ts';

/** As many as the API answers at once. */
const MAX_EVENTS = 1000;
const MAX_TASKS = 200;
const BAD_OUTCOMES = ['failed', 'killed', 'vanished'] as const;
const USAGES = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage'] as const;
/** Of larger fleets, only workers that are high now are compared: so an answer of history stays below 100 KB. */
const MAX_COMPARED = 100;
/** Long enough for some heartbeats at any interval that is usual, short enough to stand for a moment. */
const WINDOW_MS = 300_000;

export const whatChanged = mcpTool({
  name: 'what_changed',
  title: 'What changed between two times',
  description: `The difference between two times: workers that joined or left, changed state (first state → last), changed and returned, restarted; tasks that failed; usages (percent) that rose to ${HIGH_PERCENT} or by 20, as the mean of up to 5 minutes at the beginning against the end; all other events, the newest first. Each list has its \`total\` and the first ones \`shown\`. Use it first when something is wrong: "what changed since it worked?"`,
  input: z.strictObject({
    from: from('one hour ago'),
    to,
    worker_id: workerId.optional().describe('Only about this worker.'),
    limit: limit(50, 15),
  }),
  run: async ({ from, to, worker_id, limit }, context) => {
    const range = timesOf({ from, to }, context.nowMs());
    const times = { from: String(range.fromMs / 1000), to: String(range.toMs / 1000) };
    const [events, tasks, rises] = await Promise.all([
      partOf('events', () => eventsOf(times, worker_id, context)),
      partOf('tasks', () => badTasks(times, worker_id, context)),
      partOf('usages', () => usages(range, worker_id, context)),
    ]);
    const missing = [events, tasks, rises].flatMap((part) => ('missing' in part ? [part.missing] : []));
    const answer = (most: number): JsonObject => ({
      from: new Date(range.fromMs).toISOString(),
      to: new Date(range.toMs).toISOString(),
      ...('value' in events ? { ...summaryOf(events.value.events, most), note: events.value.note } : {}),
      ...('value' in tasks ? { failed_tasks: listed(tasks.value, most) } : {}),
      ...('value' in rises
        ? { usages_that_rose: { ...risesOf(rises.value.values, most), compared: rises.value.compared } }
        : {}),
      ...(missing.length === 0 ? {} : { missing }),
    });
    let most = limit;
    while (most > 1 && !fits(answer(most))) most = Math.floor(most / 2);
    return answer(most);
  },
});

interface Times {
  readonly from: string;
  readonly to: string;
}

/** @throws ToolError that names the parameter */
function timesOf(text: { from: string | undefined; to: string | undefined }, nowMs: number) {
  try {
    return rangeOf(text, nowMs);
  } catch (error) {
    const { parameter = 'from' } = error as { parameter?: string };
    throw new ToolError(`${parameter}: ${messageOf(error)}`, 'invalid_argument');
  }
}

type Part<T> = { readonly value: T } | { readonly missing: string };

/** One part that is not to be had does not keep the others from being answered; a wrong argument does. */
async function partOf<T>(name: string, ask: () => Promise<T>): Promise<Part<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    if (!(error instanceof ToolError) || error.code === 'invalid_argument') throw error;
    return { missing: `${name}: ${error.message}` };
  }
}

async function eventsOf(times: Times, worker: string | undefined, { get }: ToolContext) {
  const { events, degraded = null } = await get('/api/v1/events', { ...times, worker, limit: MAX_EVENTS });
  const all = events as unknown as readonly EventJson[];
  const isCut = all.length === MAX_EVENTS;
  const cut = `Only the newest ${MAX_EVENTS} events are summarised, from ${all[0]?.at}; ask with to=${all[0]?.at} for those before.`;
  const reason = (degraded as JsonObject | null)?.detail;
  const notes = [...(isCut ? [cut] : []), ...(reason === undefined ? [] : [`Earlier events are missing: ${reason}.`])];
  return { events: all, note: notes.length === 0 ? null : notes.join(' ') };
}

/** Those that ended badly within the time. */
async function badTasks({ from, to }: Times, worker: string | undefined, { get }: ToolContext): Promise<JsonObject[]> {
  const lists = await Promise.all(
    BAD_OUTCOMES.map((status) => get('/api/v1/tasks', { from, to, worker, status, limit: MAX_TASKS })),
  );
  return lists
    .flatMap(({ tasks }) => tasks as readonly JsonObject[])
    .filter(
      ({ last_seen_at = null }) => last_seen_at === null || Date.parse(last_seen_at as string) < Number(to) * 1000,
    )
    .map(
      ({ worker_id = null, task_id = null, status = null, outcome = null, exit_code = null, last_seen_at = null }) => ({
        worker_id,
        task_id,
        status,
        outcome,
        exit_code,
        last_seen_at,
      }),
    );
}

/** Each worker's means at the beginning and at the end. */
async function usages(
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  worker: string | undefined,
  context: ToolContext,
): Promise<{ values: Rise[]; compared: string }> {
  const { ids, compared } = await comparedWorkers(worker, context);
  if (ids.length === 0) return { values: [], compared };
  const windowMs = Math.min(WINDOW_MS, (toMs - fromMs) / 2);
  const [before, after] = await Promise.all([
    means(ids, fromMs, fromMs + windowMs, context),
    means(ids, toMs - windowMs, toMs, context),
  ]);
  const values = ids.flatMap((worker_id) =>
    USAGES.map((metric) => {
      const key = keyOf(worker_id, metric);
      return { worker_id, metric: `${metric}_percent`, before: before.get(key), after: after.get(key) };
    }),
  );
  return { values, compared };
}

async function comparedWorkers(worker: string | undefined, { get, workers }: ToolContext) {
  if (worker !== undefined) return { ids: [worker], compared: 'this worker' };
  const idsOf = async (parameters: Readonly<Record<string, string | number>>): Promise<string[]> => {
    const page = await get('/api/v1/workers', { fields: 'worker_id', ...parameters });
    return (page.workers as readonly JsonObject[]).map(({ worker_id }) => worker_id as string);
  };
  if (workers() <= MAX_COMPARED) return { ids: await idsOf({ limit: MAX_COMPARED }), compared: 'all present workers' };
  const limit = MAX_COMPARED / USAGES.length;
  const highest = await Promise.all(
    USAGES.map((usage) => idsOf({ [`min.${usage}`]: HIGH_PERCENT, sort: `-${usage}`, limit })),
  );
  const compared = `of each usage the ${limit} workers that are highest now, at ${HIGH_PERCENT} percent and more; for another worker give worker_id`;
  return { ids: [...new Set(highest.flat())], compared };
}

const keyOf = (workerId: string, metric: string): string => JSON.stringify([workerId, metric]);

async function means(ids: readonly string[], fromMs: number, toMs: number, { post }: ToolContext) {
  const { series } = await post('/api/v1/history/query', {
    metrics: USAGES,
    workers: ids,
    from: String(fromMs / 1000),
    to: String(toMs / 1000),
    points: 2,
  });
  const found = new Map<string, number>();
  for (const { worker_id, metric, points } of series as readonly JsonObject[]) {
    let sum = 0;
    let count = 0;
    for (const point of points as readonly { mean: number; count: number }[]) {
      sum += point.mean * point.count;
      count += point.count;
    }
    if (count > 0) found.set(keyOf(worker_id as string, metric as string), Math.round((sum / count) * 10) / 10);
  }
  return found;
}
