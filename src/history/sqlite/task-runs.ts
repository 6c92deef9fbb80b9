/** Runs of tasks as rows. */
import type { SQLInputValue } from 'node:sqlite';
import type { TaskRunFilter } from '../backend.ts';
import type { TaskOutcome, TaskRun } from '../task-run.ts';
import type { Connection, Row } from './connection.ts';

/** The end of runs that have not ended, as the index has it. */
const NO_END = '9e15';
const COLUMNS = [
  'first_seen_ms',
  'worker_id',
  'task_id',
  'last_seen_ms',
  'started_ms',
  'ended_ms',
  'status',
  'cpu_allocated',
  'memory_allocated',
  'gpu_allocated',
  'outcome',
  'exit_code',
  'cpu_seconds',
  'max_rss_bytes',
] as const;
const SELECT = `SELECT ${COLUMNS.join(', ')} FROM task_runs`;
const ORDER = 'ORDER BY first_seen_ms DESC, worker_id, task_id';

export function putTaskRuns(db: Connection, runs: readonly TaskRun[]): void {
  for (const run of runs) {
    db.run(
      `INSERT OR REPLACE INTO task_runs (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
      run.firstSeenMs,
      run.workerId,
      run.taskId,
      run.lastSeenMs,
      run.startedMs,
      run.endedMs,
      run.status,
      run.cpuAllocated,
      run.memoryAllocated,
      run.gpuAllocated,
      run.outcome,
      run.exitCode,
      run.cpuSeconds,
      run.maxRssBytes,
    );
  }
}

/** Those that have not ended, and those that ended at or after this time. */
export function taskRunsSince(db: Connection, sinceMs: number): TaskRun[] {
  return db.all(`${SELECT} WHERE ifnull(last_seen_ms, ${NO_END}) >= ? ${ORDER}`, sinceMs).map(taskRunOf);
}

/**
 * Runs that began within the time come before those that began earlier and reach into it: two queries, each with an index for
 * its condition.
 */
export function findTaskRuns(db: Connection, filter: TaskRunFilter): TaskRun[] {
  const { fromMs, toMs, limit } = filter;
  const found = select(db, filter, limit, 'first_seen_ms >= ? AND first_seen_ms < ?', [fromMs, toMs]);
  const left = limit - found.length;
  if (left > 0) {
    const reaching = `first_seen_ms < ? AND ifnull(last_seen_ms, ${NO_END}) >= ?`;
    found.push(...select(db, filter, left, reaching, [Math.min(fromMs, toMs), fromMs]));
  }
  return found;
}

function select(
  db: Connection,
  { workerIds, taskId, outcomes, status, after }: TaskRunFilter,
  limit: number,
  time: string,
  times: readonly number[],
): TaskRun[] {
  const conditions = [time];
  const values: SQLInputValue[] = [...times];
  const condition = (sql: string, ...bound: SQLInputValue[]) => {
    conditions.push(sql);
    values.push(...bound);
  };
  if (workerIds !== undefined) condition('worker_id IN (SELECT value FROM json_each(?))', JSON.stringify(workerIds));
  if (taskId !== undefined) condition('task_id = ?', taskId);
  if (outcomes !== undefined) condition('outcome IN (SELECT value FROM json_each(?))', JSON.stringify(outcomes));
  if (status !== undefined) condition('status = ?', status);
  if (after !== undefined) {
    condition(
      '(first_seen_ms < ? OR (first_seen_ms = ? AND (worker_id > ? OR (worker_id = ? AND task_id > ?))))',
      after.firstSeenMs,
      after.firstSeenMs,
      after.workerId,
      after.workerId,
      after.taskId,
    );
  }
  return db.all(`${SELECT} WHERE ${conditions.join(' AND ')} ${ORDER} LIMIT ?`, ...values, limit).map(taskRunOf);
}

function taskRunOf(row: Row): TaskRun {
  return {
    workerId: row.worker_id as string,
    taskId: row.task_id as string,
    firstSeenMs: row.first_seen_ms as number,
    lastSeenMs: row.last_seen_ms as number | null,
    startedMs: row.started_ms as number | null,
    endedMs: row.ended_ms as number | null,
    status: row.status as string,
    cpuAllocated: row.cpu_allocated as number,
    memoryAllocated: row.memory_allocated as number,
    gpuAllocated: row.gpu_allocated as number,
    outcome: row.outcome as TaskOutcome,
    exitCode: row.exit_code as number | null,
    cpuSeconds: row.cpu_seconds as number | null,
    maxRssBytes: row.max_rss_bytes as number | null,
  };
}
