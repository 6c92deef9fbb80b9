/**
 * The tasks that programs of this machine have reported.
 *
 * | the task belongs to          | it ends as `vanished` when                                             |
 * |------------------------------|------------------------------------------------------------------------|
 * | the connection that began it | that connection closes                                                 |
 * | a process (`pid`)            | that process is gone; and as below, if its start cannot be read        |
 * | nobody (`keep`, and HTTP)    | it had no update for its `keep_seconds`, 24 h by default               |
 *
 * Whoever knows its id may change it or end it.
 */
import type { Clock } from '../../lib/clock.ts';
import type { EndedTask, EndedTaskOutcome, RunningTask } from '../../model/telemetry.ts';
import { keptLine, parseKeptLine } from './kept-line.ts';
import { HUB_LIMITS, TASK_KEEP_MS } from './limits.ts';
import { RefusedLine, type TaskLine } from './line.ts';
import type { Processes, WatchedProcess } from './processes.ts';

/** A connection, as the owner of what it has said. */
export interface Owner {
  readonly tasks: Set<string>;
  /** Its tasks that somebody else has ended, as a command within `pulselane task run` may: its own end of them is the second one. */
  readonly endedByOthers: Set<string>;
}

interface Kept {
  readonly task: RunningTask;
  readonly owner: Owner | undefined;
  readonly process: WatchedProcess | undefined;
  readonly keepMs: number;
  readonly heardAtMs: number;
}

export interface TaskStoreOptions {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly onEnded: (task: EndedTask) => void;
}

export class TaskStore {
  readonly #options: TaskStoreOptions;
  readonly #kept = new Map<string, Kept>();
  /** The same tasks, as heartbeats have them. */
  readonly #tasks = new Map<string, RunningTask>();
  #watched = 0;
  #changes = 0;

  constructor(options: TaskStoreOptions) {
    this.#options = options;
  }

  get tasks(): ReadonlyMap<string, RunningTask> {
    return this.#tasks;
  }

  /** Tasks that do not belong to a connection. */
  get keptCount(): number {
    let count = 0;
    for (const { owner } of this.#kept.values()) if (owner === undefined) count++;
    return count;
  }

  get watchedCount(): number {
    return this.#watched;
  }

  /** Grows with each change of a kept task. */
  get changes(): number {
    return this.#changes;
  }

  /** The kept tasks for {@link restore}: a JSON line each. */
  keptLines(): string[] {
    const { clock } = this.#options;
    const [nowMs, nowUnixMs] = [clock.monotonicMs(), clock.wallMs()];
    return [...this.#kept.values()]
      .filter(({ owner }) => owner === undefined)
      .map((kept) => keptLine({ ...kept, heardAtUnixMs: Math.round(nowUnixMs - (nowMs - kept.heardAtMs)) }));
  }

  /**
   * Takes up a task of before a restart, or an end of which no master knows. What has ended meanwhile is found by the next {@link sweep}.
   * @param text a line of {@link keptLines}, or of `endLine`
   * @returns whether it could be read
   */
  restore(text: string): boolean {
    const restored = parseKeptLine(text);
    if (restored === undefined) return false;
    const { line, processStartedAt, atUnixMs } = restored;
    if (line.outcome !== undefined) {
      this.#options.onEnded(endOf({ ...line, outcome: line.outcome }, line.startedAtUnixMs, atUnixMs));
      return true;
    }
    // A program was faster.
    if (this.#kept.has(line.taskId)) return true;
    if (this.#kept.size >= HUB_LIMITS.tasks) return false;
    const { clock } = this.#options;
    const ageMs = Math.max(0, clock.wallMs() - atUnixMs);
    this.#set({
      task: taskOf(line, undefined, atUnixMs),
      owner: undefined,
      process: line.pid === undefined ? undefined : { pid: line.pid, startedAt: processStartedAt },
      keepMs: line.keepMs ?? TASK_KEEP_MS,
      heardAtMs: clock.monotonicMs() - ageMs,
    });
    return true;
  }

  /** Another agent has taken up the kept tasks: they have not ended, and are its own now. */
  forgetKept(): void {
    for (const [taskId, { owner }] of this.#kept) if (owner === undefined) this.#forget(taskId);
  }

  /**
   * Finds out whether {@link take} will work, without changing anything.
   * @param owner undefined for a request, after which nothing stays open
   * @throws RefusedLine
   */
  check({ taskId, outcome, keep, isNew, pid, pidNamespace }: TaskLine, owner: Owner | undefined): void {
    if (outcome !== undefined) return;
    const known = this.#kept.get(taskId);
    if (known !== undefined && isNew) {
      throw new RefusedLine('task_exists', `task.task_id ${JSON.stringify(taskId)} is a task that runs already`);
    }
    if (pid !== undefined) this.#mustBeOurs(pid, pidNamespace);
    if (pid !== undefined && known?.process?.pid !== pid) this.#mustWatch(pid);
    if (known !== undefined) return;
    const { tasks, tasksPerConnection } = HUB_LIMITS;
    if (this.#kept.size >= tasks) {
      throw new RefusedLine('too_many_tasks', `there are ${tasks} tasks on this machine, which is the limit`);
    }
    if (owner !== undefined && keep !== true && owner.tasks.size >= tasksPerConnection) {
      throw new RefusedLine('too_many_tasks', `this connection has ${tasksPerConnection} tasks, which is its limit`);
    }
  }

  /**
   * Begins, changes or ends a task.
   * @returns whether it was known before
   * @throws RefusedLine as {@link check} does
   */
  take(line: TaskLine, owner: Owner | undefined): boolean {
    this.check(line, owner);
    const { taskId, outcome, pid } = line;
    const known = this.#kept.get(taskId);
    if (outcome !== undefined) {
      // The first end counts.
      if (known === undefined && owner?.endedByOthers.delete(taskId)) return true;
      if (known?.owner !== owner) remember(known?.owner, taskId);
      this.#end(taskId, { ...line, outcome });
      return known !== undefined;
    }
    if (known === undefined) owner?.endedByOthers.delete(taskId);
    const task = taskOf(line, known?.task, this.#options.clock.wallMs());
    this.#set({
      task,
      owner: ownerOf(line, known, owner),
      process: pid === undefined || known?.process?.pid === pid ? known?.process : this.#options.processes.watch(pid),
      keepMs: line.keepMs ?? known?.keepMs ?? TASK_KEEP_MS,
      heardAtMs: this.#options.clock.monotonicMs(),
    });
    return known !== undefined;
  }

  /** The connection has closed. @returns how many tasks it leaves behind, which have vanished */
  closed(owner: Owner): number {
    const left = [...owner.tasks];
    for (const taskId of left) this.#end(taskId, { outcome: 'vanished' });
    return left.length;
  }

  /** Ends tasks whose process is gone, or that had no update for too long. @returns how many */
  sweep(): number {
    const { clock, processes } = this.#options;
    const nowMs = clock.monotonicMs();
    let ended = 0;
    for (const [taskId, { owner, process, keepMs, heardAtMs }] of this.#kept) {
      if (owner !== undefined) continue;
      // A process that cannot be told from a later one with its id may be gone for long.
      const isSure = process?.startedAt !== undefined;
      if ((isSure || nowMs - heardAtMs < keepMs) && (process === undefined || processes.isRunning(process))) continue;
      this.#end(taskId, { outcome: 'vanished' });
      ended++;
    }
    return ended;
  }

  #mustBeOurs(pid: number, namespace: string | undefined): void {
    const own = this.#options.processes.pidNamespace;
    if (namespace === undefined || own === undefined || namespace === own) return;
    throw new RefusedLine(
      'foreign_process',
      `task.pid is ${pid} in ${namespace}, and the agent is in ${own}; expected a process of the agent's pid namespace, or keep_seconds alone`,
    );
  }

  #mustWatch(pid: number): void {
    if (this.#watched >= HUB_LIMITS.watchedProcesses) {
      throw new RefusedLine(
        'too_many_processes',
        `the processes of ${HUB_LIMITS.watchedProcesses} tasks are watched, which is the limit`,
      );
    }
    if (this.#options.processes.watch(pid) === undefined) {
      throw new RefusedLine('no_such_process', `task.pid is ${pid}; expected a process that runs on this machine`);
    }
  }

  #set(kept: Kept): void {
    const { taskId } = kept.task;
    this.#detach(taskId);
    if (kept.owner === undefined) this.#changes++;
    kept.owner?.tasks.add(taskId);
    if (kept.process !== undefined) this.#watched++;
    // Not deleted before, so that tasks keep their order in heartbeats.
    this.#kept.set(taskId, kept);
    this.#tasks.set(taskId, kept.task);
  }

  #forget(taskId: string): void {
    this.#detach(taskId);
    this.#kept.delete(taskId);
    this.#tasks.delete(taskId);
  }

  #detach(taskId: string): void {
    const known = this.#kept.get(taskId);
    if (known !== undefined && known.owner === undefined) this.#changes++;
    known?.owner?.tasks.delete(taskId);
    if (known?.process !== undefined) this.#watched--;
  }

  /** One that was not known has ended, too: it may have been shorter than the time that it takes to say so twice. */
  #end(taskId: string, end: Omit<End, 'taskId'>): void {
    const startedAtUnixMs = this.#kept.get(taskId)?.task.startedAtUnixMs ?? end.startedAtUnixMs;
    this.#forget(taskId);
    this.#options.onEnded(endOf({ ...end, taskId }, startedAtUnixMs, this.#options.clock.wallMs()));
  }
}

/** As many as a connection may have tasks. */
function remember(owner: Owner | undefined, taskId: string): void {
  if (owner === undefined || owner.endedByOthers.size >= HUB_LIMITS.tasksPerConnection) return;
  owner.endedByOthers.add(taskId);
}

type End = Partial<TaskLine> & { readonly taskId: string; readonly outcome: EndedTaskOutcome };

function endOf(end: End, startedAtUnixMs: number | undefined, atUnixMs: number): EndedTask {
  const { taskId, outcome, exitCode, cpuSeconds, maxRssBytes } = end;
  return {
    taskId,
    endedAtUnixMs: Math.round(atUnixMs),
    ...(startedAtUnixMs === undefined ? {} : { startedAtUnixMs }),
    outcome,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(maxRssBytes === undefined ? {} : { maxRssBytes }),
  };
}

/** A connection keeps or takes what is nobody's; what another one has, it leaves there. */
function ownerOf({ keep }: TaskLine, known: Kept | undefined, owner: Owner | undefined): Owner | undefined {
  if (known === undefined) return keep === true ? undefined : owner;
  if (known.owner === undefined) return keep === false ? owner : undefined;
  return keep === true && known.owner === owner ? undefined : known.owner;
}

function taskOf(line: TaskLine, known: RunningTask | undefined, nowUnixMs: number): RunningTask {
  const progress = line.progress ?? known?.progress;
  return {
    taskId: line.taskId,
    cpuAllocated: line.cpuAllocated ?? known?.cpuAllocated ?? 0,
    memoryAllocated: line.memoryAllocated ?? known?.memoryAllocated ?? 0,
    gpuAllocated: line.gpuAllocated ?? known?.gpuAllocated ?? 0,
    status: line.status ?? known?.status ?? 'running',
    startedAtUnixMs: line.startedAtUnixMs ?? known?.startedAtUnixMs ?? Math.round(nowUnixMs),
    ...(progress === undefined ? {} : { progress }),
  };
}
