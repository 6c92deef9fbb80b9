/** What ran where, and how it ended. */
import { ENDLESS_PAGE } from '../text/page.ts';
import type { Meaning } from '../text/paint.ts';
import { type Cell, type Column, prose, table } from '../text/table.ts';
import { age, countOf, gibibytes, instant, mebibytes, NOTHING, number } from '../text/units.ts';
import type { TaskItem } from './task-items.ts';

const GIB = 1024 ** 3;

/** Where room is short, the lowest rank goes first: the task, where it ran and how it ended stay. */
const COLUMNS: readonly Column[] = [
  { title: 'TASK', maxWidth: 40, shortensTo: 12 },
  { title: 'WORKER', maxWidth: 32, shortensTo: 10 },
  { title: 'OUTCOME' },
  { title: 'STARTED', rank: 5 },
  { title: 'FOR', align: 'right', rank: 6 },
  { title: 'EXIT', align: 'right', rank: 4 },
  { title: 'CPU', align: 'right', rank: 3 },
  { title: 'MEM', align: 'right', rank: 2 },
  { title: 'STATUS', rank: 1 },
];

const MEANINGS: Readonly<Record<string, Meaning>> = {
  finished: 'good',
  failed: 'bad',
  killed: 'bad',
  vanished: 'warning',
  ended: 'old',
};

/** @param nowMs by the master's clock; @param hasMore whether there are further ones */
export function tasksText(
  tasks: readonly TaskItem[],
  { nowMs, hasMore }: { readonly nowMs: number; readonly hasMore: boolean },
  page = ENDLESS_PAGE,
): string {
  if (tasks.length === 0) return prose('No task ran in this time.', page);
  const list = table(
    COLUMNS,
    tasks.map((task) => row(task, nowMs)),
    page,
  );
  const more = hasMore ? ', the newest; --limit shows more' : '';
  return `${list}\n\n${prose(`${countOf(tasks.length, 'task')}${more}`, page)}`;
}

function row(task: TaskItem, nowMs: number): Cell[] {
  const { task_id, worker_id, outcome, exit_code, cpu_seconds, max_rss_bytes, status } = task;
  const meaning = MEANINGS[outcome];
  const startMs = startOf(task);
  return [
    task_id,
    worker_id,
    meaning === undefined ? outcome : { text: outcome, meaning },
    instant(startMs),
    durationText(endOf(task, nowMs) - startMs),
    exit_code === null ? NOTHING : String(exit_code),
    cpu_seconds === null ? NOTHING : `${number(cpu_seconds)} s`,
    max_rss_bytes === null ? NOTHING : bytes(max_rss_bytes),
    status ?? NOTHING,
  ];
}

/** By the worker's clock where the worker said it: then it is exact. */
function startOf({ started_at, first_seen_at, ended_at, outcome }: TaskItem): number {
  const isWorkers = started_at !== null && (ended_at !== null || outcome === 'running');
  return Date.parse(isWorkers ? started_at : first_seen_at);
}

function endOf({ started_at, ended_at, last_seen_at }: TaskItem, nowMs: number): number {
  if (started_at !== null && ended_at !== null) return Date.parse(ended_at);
  return last_seen_at === null ? nowMs : Date.parse(last_seen_at);
}

function durationText(ms: number): string {
  return Number.isNaN(ms) ? NOTHING : age(Math.max(0, ms));
}

function bytes(value: number): string {
  return value >= GIB ? gibibytes(value) : mebibytes(value);
}
