/** Runs of tasks as rows. */
import type { TaskRunFilter } from '../backend.ts';
import type { TaskOutcome, TaskRun } from '../task-run.ts';
import type { Connection, Row } from './connection.ts';
import { storable } from './metric-columns.ts';
import { Conditions, fromSqlMs, sqlMs } from './sql.ts';

const SELECT = `SELECT worker, task_id, ${['first_seen', 'last_seen', 'started', 'ended'].map(fromSqlMs).join(', ')},
  status, cpu_allocated, memory_allocated_gib, gpu_allocated, outcome, exit_code, cpu_seconds, max_rss_bytes FROM pulselane.task_runs`;
const ORDER = 'ORDER BY first_seen DESC, worker, task_id';

/** The exit code and the memory come from the worker as it likes: what is no such number is not known. */
function integer(value: number | null): number | null {
  return Number.isSafeInteger(value) ? value : null;
}

export async function putTaskRuns(connection: Connection, runs: readonly TaskRun[]): Promise<void> {
  if (runs.length === 0) return;
  // The last state of each, since one statement cannot change a row twice; in a fixed order, so that masters do not wait for each other.
  const last = new Map(runs.map((run) => [`${run.firstSeenMs} ${run.workerId} ${storable(run.taskId)}`, run]));
  const sorted = [...last].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, run]) => run);
  await connection.rows(
    `INSERT INTO pulselane.task_runs SELECT worker, task_id, ${['first_seen', 'last_seen', 'started', 'ended'].map(sqlMs).join(', ')},
       status, cpu_allocated, memory_allocated_gib, gpu_allocated, outcome, exit_code, cpu_seconds, max_rss_bytes
     FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::text[], $8::float8[],
       $9::float8[], $10::float8[], $11::text[], $12::bigint[], $13::float8[], $14::bigint[])
       AS new (worker, task_id, first_seen, last_seen, started, ended, status, cpu_allocated, memory_allocated_gib, gpu_allocated,
         outcome, exit_code, cpu_seconds, max_rss_bytes)
     ON CONFLICT (worker, first_seen, hashtextextended(task_id, 0)) DO UPDATE SET (last_seen, started, ended, status, cpu_allocated,
       memory_allocated_gib, gpu_allocated, outcome, exit_code, cpu_seconds, max_rss_bytes) = (EXCLUDED.last_seen, EXCLUDED.started,
       EXCLUDED.ended, EXCLUDED.status, EXCLUDED.cpu_allocated, EXCLUDED.memory_allocated_gib, EXCLUDED.gpu_allocated,
       EXCLUDED.outcome, EXCLUDED.exit_code, EXCLUDED.cpu_seconds, EXCLUDED.max_rss_bytes)`,
    [
      sorted.map((run) => storable(run.workerId)),
      sorted.map((run) => storable(run.taskId)),
      sorted.map((run) => run.firstSeenMs),
      sorted.map((run) => run.lastSeenMs),
      sorted.map((run) => run.startedMs),
      sorted.map((run) => run.endedMs),
      sorted.map((run) => storable(run.status)),
      sorted.map((run) => run.cpuAllocated),
      sorted.map((run) => run.memoryAllocated),
      sorted.map((run) => run.gpuAllocated),
      sorted.map((run) => run.outcome),
      sorted.map((run) => integer(run.exitCode)),
      sorted.map((run) => run.cpuSeconds),
      sorted.map((run) => integer(run.maxRssBytes)),
    ],
  );
}

/** Those that have not ended, and those that ended at or after this time. */
export async function taskRunsSince(connection: Connection, sinceMs: number): Promise<TaskRun[]> {
  const rows = await connection.rows(`${SELECT} WHERE last_seen IS NULL OR last_seen >= ${sqlMs('$1')} ${ORDER}`, [
    sinceMs,
  ]);
  return rows.map(taskRunOf);
}

/** Runs that began within the time come before those that began earlier and reach into it, which another index finds. */
export async function findTaskRuns(connection: Connection, filter: TaskRunFilter): Promise<TaskRun[]> {
  const { fromMs, toMs, limit } = filter;
  const found = await select(connection, filter, limit, (conditions) => {
    conditions.add((value) => `first_seen >= ${sqlMs(value)}`, fromMs);
    conditions.add((value) => `first_seen < ${sqlMs(value)}`, toMs);
  });
  if (found.length >= limit) return found;
  const reaching = await select(connection, filter, limit - found.length, (conditions) => {
    conditions.add((value) => `first_seen < ${sqlMs(value)}`, Math.min(fromMs, toMs));
    conditions.add((value) => `(last_seen IS NULL OR last_seen >= ${sqlMs(value)})`, fromMs);
  });
  return [...found, ...reaching];
}

async function select(
  connection: Connection,
  { workerIds, taskId, outcomes, status, after }: TaskRunFilter,
  limit: number,
  addTimes: (conditions: Conditions) => void,
): Promise<TaskRun[]> {
  const conditions = new Conditions();
  addTimes(conditions);
  conditions.add((value) => `worker = ANY(${value}::text[])`, workerIds?.map(storable));
  conditions.add((value) => `task_id = ${value}`, taskId === undefined ? undefined : storable(taskId));
  conditions.add((value) => `outcome = ANY(${value}::text[])`, outcomes);
  conditions.add((value) => `status = ${value}`, status === undefined ? undefined : storable(status));
  if (after !== undefined) {
    const seen = sqlMs(conditions.value(after.firstSeenMs));
    const place = [after.workerId, after.taskId].map((text) => `${conditions.value(storable(text))}::text COLLATE "C"`);
    conditions.all.push(
      `(first_seen < ${seen} OR (first_seen = ${seen} AND (worker, task_id) > (${place.join(', ')})))`,
    );
  }
  const rows = await connection.rows(`${SELECT} ${conditions.where()} ${ORDER} LIMIT ${limit}`, conditions.values);
  return rows.map(taskRunOf);
}

function taskRunOf(row: Row): TaskRun {
  const [
    workerId,
    taskId,
    firstSeen,
    lastSeen,
    started,
    ended,
    status,
    cpu,
    memory,
    gpu,
    outcome,
    exitCode,
    cpuSeconds,
    rss,
  ] = row;
  return {
    workerId: workerId as string,
    taskId: taskId as string,
    firstSeenMs: Number(firstSeen),
    lastSeenMs: numberOrNull(lastSeen),
    startedMs: numberOrNull(started),
    endedMs: numberOrNull(ended),
    status: status as string,
    cpuAllocated: Number(cpu),
    memoryAllocated: Number(memory),
    gpuAllocated: Number(gpu),
    outcome: outcome as TaskOutcome,
    exitCode: numberOrNull(exitCode),
    cpuSeconds: numberOrNull(cpuSeconds),
    maxRssBytes: numberOrNull(rss),
  };
}

function numberOrNull(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : Number(text);
}
