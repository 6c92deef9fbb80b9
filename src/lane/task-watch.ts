/**
 * Compares a worker's tasks with those of its last record, for the task log of its slot (store/task-log.ts). It is only a cache: after a
 * restart of the lane, the next heartbeat is compared with the record in the slot, so that no change is lost or invented.
 *
 * The order of events: tasks that left, tasks whose end is told, tasks that are listed. So the end of a task's first run comes before
 * its second run, and after it left.
 */
import { endedEvent, listedEvent, type TaskEvent, type TaskListed } from '../model/task-change.ts';
import { TaskHash } from '../model/task-hash.ts';
import type { EndedTask, RunningTask } from '../model/telemetry.ts';
import type { RecordTasks } from '../store/record-tasks.ts';

export interface TaskFacts {
  /** Undefined: the same as in the last record. */
  readonly runningTasks: readonly RunningTask[] | undefined;
  readonly endedTasks: readonly EndedTask[];
}

export interface HeartbeatFacts {
  readonly receivedUnixMs: number;
  /** Its tasks end with it. */
  readonly isFarewell: boolean;
}

const NONE: readonly TaskEvent[] = [];
const NO_ENDS: ReadonlyMap<string, EndedTask> = new Map();

export class TaskWatch {
  /** Hash of the last list; undefined: unknown. */
  #list: number | undefined;
  /** Ends that the last heartbeat told: they are repeated until they are acked. */
  #told = NO_ENDS;
  #nextList: number | undefined;
  #nextTold = NO_ENDS;

  /**
   * What happened to the tasks with this heartbeat. To be followed by {@link published}, unless it is rejected.
   * @param last the tasks of the last record
   */
  eventsOf(tasks: TaskFacts, heartbeat: HeartbeatFacts, last: () => RecordTasks): readonly TaskEvent[] {
    const { runningTasks, endedTasks } = tasks;
    const ends = endedTasks.length === 0 ? NO_ENDS : new Map(endedTasks.map((task) => [keyOf(task), task]));
    this.#nextTold = ends;
    this.#nextList = runningTasks === undefined ? this.#list : hashOf(runningTasks);
    const isSameList = this.#nextList === this.#list && this.#list !== undefined && !heartbeat.isFarewell;
    if (isSameList && endedTasks.length === 0) return NONE;
    const told = Array.from(ends).flatMap(([key, task]) => (this.#told.has(key) ? [] : endedEvent(task)));
    if (isSameList) return told;
    const before = last();
    const now = runningTasks ?? before.tasks;
    const { left, listed } = differences(before, now);
    if (!heartbeat.isFarewell) return [...left, ...told, ...listed];
    this.#nextList = undefined;
    const lastSeenMs = heartbeat.receivedUnixMs;
    const gone = Array.from(byId(now).keys(), (taskId) => ({ type: 'left', taskId, lastSeenMs }) as const);
    return [...left, ...listed, ...gone, ...told];
  }

  published(): void {
    this.#list = this.#nextList;
    this.#told = this.#nextTold;
  }
}

function differences({ tasks, receivedUnixMs, isApplied }: RecordTasks, now: readonly RunningTask[]) {
  const before = byId(tasks);
  const after = byId(now);
  const left: TaskEvent[] = [];
  for (const [taskId, task] of before) {
    const next = after.get(taskId);
    if (next === undefined || isOtherRun(task, next)) left.push({ type: 'left', taskId, lastSeenMs: receivedUnixMs });
  }
  const listed: TaskEvent[] = [];
  for (const [taskId, task] of after) {
    const known = before.get(taskId);
    // The first heartbeat lists all: what earlier masters knew is not in this log.
    if (!isApplied || known === undefined || isChanged(known, task)) listed.push(task);
  }
  return { left, listed };
}

function byId(tasks: readonly RunningTask[]): ReadonlyMap<string, TaskListed> {
  return new Map(tasks.map(listedEvent).map((event) => [event.taskId, event]));
}

function isOtherRun({ startedMs: before }: TaskListed, { startedMs: after }: TaskListed): boolean {
  return before !== null && after !== null && before !== after;
}

function isChanged(before: TaskListed, after: TaskListed): boolean {
  return (
    before.status !== after.status ||
    before.cpuAllocated !== after.cpuAllocated ||
    before.memoryAllocated !== after.memoryAllocated ||
    before.gpuAllocated !== after.gpuAllocated ||
    before.startedMs !== after.startedMs
  );
}

function keyOf({ taskId, startedAtUnixMs, endedAtUnixMs, outcome }: EndedTask): string {
  return `${startedAtUnixMs} ${endedAtUnixMs} ${outcome} ${taskId}`;
}

/** Of all that the log has of the tasks: without their progress, which changes with each heartbeat. */
function hashOf(tasks: readonly RunningTask[]): number {
  const hash = new TaskHash();
  for (const { taskId, status, cpuAllocated, memoryAllocated, gpuAllocated, startedAtUnixMs = -1 } of tasks) {
    hash.text(taskId);
    hash.text(status);
    hash.number(cpuAllocated);
    hash.number(memoryAllocated);
    hash.number(gpuAllocated);
    hash.number(startedAtUnixMs);
  }
  return hash.value;
}
