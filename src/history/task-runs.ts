/**
 * Makes runs of tasks from what lanes log of them. Pure: no clock, no database.
 *
 *     running ──left──► ended ──ended_tasks──► finished, failed, …      it left the list, and how it ended came later
 *        └──ended_tasks──► finished, failed, … ──left──► the same       … came first
 *     (not listed) ──ended_tasks──► finished, failed, …                 shorter than a beat: a run of its own
 *
 * Which run a change is about:
 *
 * - A task that is listed stays the same run as long as it is listed and no other start is said of it, also when the master, its
 *   worker or a lane was restarted in between. One that comes back to the list is a new run, unless it has the same start.
 * - A told end belongs to the run with the same start; else to the one that has the same told end, which makes repetitions harmless;
 *   else to the listed one; else to the last one whose end was not told. If there is none, it is a run of its own.
 * - A worker that is silent has the tasks of its last heartbeat. When it is removed, they have ended.
 */
import type { TaskChange, TaskEnded, TaskListed } from '../model/task-change.ts';
import type { TaskOutcome, TaskRun } from './task-run.ts';

/** Ended runs are remembered for this long: a repeated end may be late by a few heartbeats, or by a master's restart. */
export const REMEMBERED_MS = 3_600_000;
/** … and at most this many, about 40 MB: at 100 ends a second, those of 17 minutes. */
export const MOST_REMEMBERED = 100_000;
/** Listed runs of all workers, about 80 MB: 20 tasks on each of 10,000 workers. Further tasks are left out and counted. */
export const MOST_LISTED = 200_000;

interface KnownRun {
  readonly run: TaskRun;
  /** In the worker's last list of tasks; its end may be told nevertheless. */
  readonly isListed: boolean;
}

/** Runs of one worker by task id, oldest first. */
type WorkerRuns = Map<string, readonly KnownRun[]>;
const NONE: readonly KnownRun[] = [];

export interface TaskRunsOptions {
  /** What the database has: runs that have not ended, and those that ended recently (`Begun.taskRuns`). */
  readonly runs: readonly TaskRun[];
  /** When the worker's last heartbeat before this run of the master came; undefined: unknown. */
  readonly heardMs?: ((workerId: string) => number | undefined) | undefined;
}

interface Remembered {
  readonly workerId: string;
  readonly taskId: string;
  readonly firstSeenMs: number;
  readonly atMs: number;
}

export class TaskRuns {
  readonly #heardMs: (workerId: string) => number | undefined;
  readonly #workers = new Map<string, WorkerRuns>();
  /** Of tasks that were changed since the last commit: their runs before, by worker. */
  readonly #before = new Map<string, WorkerRuns>();
  #listed = 0;
  #listedBefore = 0;
  #leftOut = 0;
  #leftOutBefore = 0;
  /** Ended runs, in the order in which they are forgotten. */
  readonly #remembered = new Map<string, Remembered>();
  /** Ended since the last commit. */
  #ended: Remembered[] = [];

  constructor({ runs, heardMs = () => undefined }: TaskRunsOptions) {
    this.#heardMs = heardMs;
    const oldestFirst = [...runs].sort((one, other) => one.firstSeenMs - other.firstSeenMs);
    for (const run of oldestFirst) {
      const worker = entryOf(this.#workers, run.workerId);
      worker.set(run.taskId, [...(worker.get(run.taskId) ?? []), { run, isListed: run.outcome === 'running' }]);
      if (run.outcome === 'running') this.#listed++;
      else this.#remember({ ...run, atMs: run.lastSeenMs ?? run.firstSeenMs });
    }
    this.#listedBefore = this.#listed;
  }

  /** Workers with a run that has not ended, among them some that may not exist any more. */
  workersWithTasks(): string[] {
    const hasListed = (runs: WorkerRuns) => [...runs.values()].some((known) => known.some(({ isListed }) => isListed));
    return Array.from(this.#workers).flatMap(([workerId, runs]) => (hasListed(runs) ? workerId : []));
  }

  /** Tasks that were listed and not recorded, because too many are. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /**
   * @param changes in order; all of a sample in one call
   * @returns the runs that are new or have changed, each once, in their new state
   */
  apply(workerId: string, changes: readonly TaskChange[]): TaskRun[] {
    if (changes.length === 0) return [];
    const work = new WorkerChanges({
      workerId,
      runs: entryOf(this.#workers, workerId),
      before: entryOf(this.#before, workerId),
      room: MOST_LISTED - this.#listed,
      heardMs: this.#heardMs(workerId),
    });
    for (const change of changes) work.apply(change);
    work.finish();
    this.#listed += work.listed;
    this.#leftOut += work.leftOut;
    const changed = work.changed();
    for (const { taskId, firstSeenMs, outcome } of changed) {
      const atMs = changes.at(-1)?.atMs as number;
      if (outcome !== 'running') this.#ended.push({ workerId, taskId, firstSeenMs, atMs });
    }
    return changed;
  }

  /** What was applied is kept. Forgets what ended long ago. @param nowMs by the master's wall clock */
  commit(nowMs: number): void {
    this.#dropBefore();
    this.#listedBefore = this.#listed;
    this.#leftOutBefore = this.#leftOut;
    for (const ended of this.#ended) this.#remember(ended);
    this.#ended = [];
    for (const [key, remembered] of this.#remembered) {
      // A clock that was set back must not keep them for ever: then the bound does.
      if (this.#remembered.size <= MOST_REMEMBERED && nowMs - remembered.atMs < REMEMBERED_MS) break;
      this.#remembered.delete(key);
      this.#forget(remembered);
    }
  }

  /** Undoes what was applied since the last commit. */
  rollback(): void {
    for (const [workerId, before] of this.#before) {
      const runs = entryOf(this.#workers, workerId);
      for (const [taskId, known] of before) put(runs, taskId, known);
    }
    this.#dropBefore();
    this.#listed = this.#listedBefore;
    this.#leftOut = this.#leftOutBefore;
    this.#ended = [];
  }

  #dropBefore(): void {
    for (const workerId of this.#before.keys()) {
      if (this.#workers.get(workerId)?.size === 0) this.#workers.delete(workerId);
    }
    this.#before.clear();
  }

  /** Again at the end if it is remembered already. */
  #remember(ended: Remembered): void {
    const key = `${ended.workerId} ${ended.firstSeenMs} ${ended.taskId}`;
    this.#remembered.delete(key);
    this.#remembered.set(key, ended);
  }

  #forget({ workerId, taskId, firstSeenMs }: Remembered): void {
    const runs = this.#workers.get(workerId);
    const known = runs?.get(taskId);
    if (runs === undefined || known === undefined) return;
    put(
      runs,
      taskId,
      known.filter(({ run, isListed }) => isListed || run.firstSeenMs !== firstSeenMs),
    );
    if (runs.size === 0) this.#workers.delete(workerId);
  }
}

interface Worker {
  readonly workerId: string;
  readonly runs: WorkerRuns;
  /** Runs of tasks before their first change. */
  readonly before: WorkerRuns;
  /** How many more tasks may be listed. */
  readonly room: number;
  readonly heardMs: number | undefined;
}

/** The changes of one worker, applied one by one. */
class WorkerChanges {
  readonly #worker: Worker;
  readonly #changed = new Map<string, { readonly before: TaskRun | undefined; after: TaskRun }>();
  /** Since a `begin`: tasks that were listed before and not since, and its sample. */
  #unconfirmed: { readonly taskIds: Set<string>; readonly sample: number; readonly lastSeenMs: number } | undefined;
  /** Difference in the number of listed runs. */
  listed = 0;
  leftOut = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
  }

  changed(): TaskRun[] {
    return Array.from(this.#changed.values()).flatMap(({ before, after }) => (isEqual(before, after) ? [] : after));
  }

  apply(change: TaskChange): void {
    if (this.#unconfirmed !== undefined && change.sample !== this.#unconfirmed.sample) this.finish();
    switch (change.type) {
      case 'begin': {
        // Unknown if the worker was not known to this run of the master before.
        const lastSeenMs = change.lastSeenMs ?? this.#worker.heardMs ?? change.atMs;
        this.#unconfirmed = { taskIds: new Set(this.#listedTasks()), sample: change.sample, lastSeenMs };
        return;
      }
      case 'gone':
        for (const taskId of this.#listedTasks()) this.#left(taskId, change.atMs);
        return;
      case 'listed':
        this.#unconfirmed?.taskIds.delete(change.taskId);
        this.#isListed(change, change.atMs);
        return;
      case 'left':
        this.#left(change.taskId, change.lastSeenMs);
        return;
      case 'ended':
        this.#ended(change, change.atMs);
        return;
      default:
        change satisfies never;
    }
  }

  /** Tasks that a `begin` has left out are gone. */
  finish(): void {
    const unconfirmed = this.#unconfirmed;
    this.#unconfirmed = undefined;
    for (const taskId of unconfirmed?.taskIds ?? []) this.#left(taskId, unconfirmed?.lastSeenMs as number);
  }

  #listedTasks(): string[] {
    return Array.from(this.#worker.runs.keys()).filter(
      (taskId) => this.#find(taskId, ({ isListed }) => isListed) !== undefined,
    );
  }

  #isListed(change: TaskListed, atMs: number): void {
    const { taskId, status, cpuAllocated, memoryAllocated, gpuAllocated, startedMs } = change;
    const values = { status, cpuAllocated, memoryAllocated, gpuAllocated };
    let known = this.#find(taskId, ({ isListed }) => isListed);
    if (known !== undefined && !mayStartAt(known.run, startedMs)) {
      this.#left(taskId, this.#unconfirmed?.lastSeenMs ?? atMs);
      known = undefined;
    }
    known ??= startedMs === null ? undefined : this.#find(taskId, ({ run }) => run.startedMs === startedMs);
    if (known === undefined) {
      this.#add(taskId, atMs, { ...values, startedMs });
      return;
    }
    const { run } = known;
    // It had left the list, or seemed to, and its end was not told: it still runs.
    const isBack = run.outcome === 'ended';
    this.#replace(known, {
      isListed: true,
      run: {
        ...run,
        ...values,
        startedMs: startedMs ?? run.startedMs,
        ...(isBack ? { outcome: 'running', lastSeenMs: null } : {}),
      },
    });
  }

  #left(taskId: string, lastSeenMs: number): void {
    const known = this.#find(taskId, ({ isListed }) => isListed);
    if (known === undefined) return;
    const { run } = known;
    const outcome: TaskOutcome = run.outcome === 'running' ? 'ended' : run.outcome;
    this.#replace(known, {
      isListed: false,
      run: { ...run, outcome, lastSeenMs: Math.max(run.firstSeenMs, lastSeenMs) },
    });
  }

  #ended(change: TaskEnded, atMs: number): void {
    const { taskId, startedMs, endedMs, outcome, exitCode, cpuSeconds, maxRssBytes } = change;
    const end = { endedMs, outcome: outcome ?? ('ended' as const), exitCode, cpuSeconds, maxRssBytes };
    const known = this.#runThatEnded(change);
    if (known === undefined) {
      this.#add(taskId, atMs, { startedMs, ...end, lastSeenMs: atMs });
      return;
    }
    const { run } = known;
    this.#replace(known, {
      ...known,
      run: {
        ...run,
        ...end,
        startedMs: startedMs ?? run.startedMs,
        lastSeenMs: run.lastSeenMs ?? Math.max(run.firstSeenMs, atMs),
      },
    });
  }

  #runThatEnded({ taskId, startedMs, endedMs }: TaskEnded): KnownRun | undefined {
    const isPossible = ({ run }: KnownRun) =>
      mayStartAt(run, startedMs) && !(endedMs !== null && run.startedMs !== null && endedMs < run.startedMs);
    const find = (holds: (known: KnownRun) => boolean) =>
      this.#find(taskId, (known) => isPossible(known) && holds(known));
    return (
      find(({ run }) => startedMs !== null && run.startedMs === startedMs) ??
      find(({ run }) => endedMs !== null && run.endedMs === endedMs) ??
      find(({ run }) => run.outcome === 'running') ??
      find(({ run }) => run.outcome === 'ended' && run.endedMs === null) ??
      // A repetition of an end without any times, as far as one can tell.
      find(({ run }) => startedMs === null && endedMs === null && run.endedMs === null)
    );
  }

  /** The newest run of the task for which it holds. */
  #find(taskId: string, holds: (known: KnownRun) => boolean): KnownRun | undefined {
    return this.#runsOf(taskId).findLast(holds);
  }

  #add(taskId: string, atMs: number, values: Partial<TaskRun>): void {
    const run: TaskRun = {
      workerId: this.#worker.workerId,
      taskId,
      firstSeenMs: this.#freeTime(taskId, atMs),
      lastSeenMs: null,
      startedMs: null,
      endedMs: null,
      status: '',
      cpuAllocated: 0,
      memoryAllocated: 0,
      gpuAllocated: 0,
      outcome: 'running',
      exitCode: null,
      cpuSeconds: null,
      maxRssBytes: null,
      ...values,
    };
    const isListed = run.outcome === 'running';
    if (isListed && this.listed >= this.#worker.room) {
      this.leftOut++;
      return;
    }
    if (isListed) this.listed++;
    this.#put(taskId, [...this.#runsOf(taskId), { run, isListed }]);
    this.#note(undefined, run);
  }

  /** Identifies a run together with its task: several of one task may be told in one heartbeat. */
  #freeTime(taskId: string, atMs: number): number {
    const runs = this.#runsOf(taskId);
    let firstSeenMs = atMs;
    while (runs.some(({ run }) => run.firstSeenMs === firstSeenMs)) firstSeenMs++;
    return firstSeenMs;
  }

  #replace(before: KnownRun, after: KnownRun): void {
    const { taskId } = before.run;
    this.listed += Number(after.isListed) - Number(before.isListed);
    this.#put(
      taskId,
      this.#runsOf(taskId).map((known) => (known === before ? after : known)),
    );
    this.#note(before.run, after.run);
  }

  #runsOf(taskId: string): readonly KnownRun[] {
    return this.#worker.runs.get(taskId) ?? NONE;
  }

  #put(taskId: string, runs: readonly KnownRun[]): void {
    const { before } = this.#worker;
    if (!before.has(taskId)) before.set(taskId, this.#runsOf(taskId));
    this.#worker.runs.set(taskId, runs);
  }

  #note(before: TaskRun | undefined, after: TaskRun): void {
    const key = `${after.firstSeenMs} ${after.taskId}`;
    const noted = this.#changed.get(key);
    if (noted === undefined) this.#changed.set(key, { before, after });
    else noted.after = after;
  }
}

function entryOf(workers: Map<string, WorkerRuns>, workerId: string): WorkerRuns {
  const known = workers.get(workerId);
  if (known !== undefined) return known;
  const runs: WorkerRuns = new Map();
  workers.set(workerId, runs);
  return runs;
}

function put(runs: WorkerRuns, taskId: string, known: readonly KnownRun[]): void {
  if (known.length === 0) runs.delete(taskId);
  else runs.set(taskId, known);
}

/** Whether a run can be one that started then; unknown starts agree with all. */
function mayStartAt(run: TaskRun, startedMs: number | null): boolean {
  return startedMs === null || run.startedMs === null || run.startedMs === startedMs;
}

function isEqual(one: TaskRun | undefined, other: TaskRun): boolean {
  return one !== undefined && (Object.keys(other) as (keyof TaskRun)[]).every((key) => one[key] === other[key]);
}
