/**
 * The host program's running tasks, metrics, and tasks that ended and are not told to a master yet. They are checked here, so that an invalid value is refused by the call
 * and not later by the master, which would reject the whole heartbeat. The limits of a heartbeat are defined
 * for both in model/heartbeat-limits.ts.
 */
import { PulselaneError } from '../lib/errors.ts';
import {
  DEFAULT_LIMITS,
  type Load,
  loadOfMetric,
  loadOfTask,
  MAX_ENDED_TASKS,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_RECORD_BYTES,
  MAX_TASKS_AND_METRICS,
  roomFor,
} from '../model/heartbeat-limits.ts';
import { ENDED_TASK_OUTCOMES, type EndedTask, type RunningTask } from '../model/telemetry.ts';
import type { NumberedEnd } from './ended-tasks.ts';

/** A task as a program reports it; omitted fields are 0, `running`, or unknown. */
export type TaskInput = Pick<RunningTask, 'taskId'> & TaskChanges;
export type TaskChanges = Partial<Omit<RunningTask, 'taskId'>>;

/** How a task ended; omitted fields are unknown. */
export type TaskEnd = Pick<EndedTask, 'outcome' | 'exitCode' | 'cpuSeconds' | 'maxRssBytes'>;

const MAX_METRICS = 10_000;

export class Workload {
  readonly #tasks = new Map<string, RunningTask>();
  /** When each task was added: it cannot have started later. */
  readonly #addedAtUnixMs = new Map<string, number>();
  readonly #metrics = new Map<string, number>();
  #ended: NumberedEnd[] = [];
  #lastEnd = 0;
  /** Upper bounds of the bytes that tasks and metrics take in a heartbeat. */
  #messageBytes = 0;
  #recordBytes = 0;

  tasks(): RunningTask[] {
    return [...this.#tasks.values()];
  }

  metrics(): [name: string, value: number][] {
    return [...this.#metrics];
  }

  /** @throws PulselaneError `invalid_argument` naming the field, also for a task that is there already */
  addTask(input: TaskInput, nowUnixMs: number): RunningTask {
    checkName('taskId', input.taskId);
    if (this.#tasks.has(input.taskId)) throw invalid(`taskId "${input.taskId}" was added before: use updateTask`);
    this.#mustCount(`taskId "${input.taskId}"`);
    const task = this.#keep(merged(BLANK_TASK, input.taskId, input));
    this.#addedAtUnixMs.set(input.taskId, Math.round(nowUnixMs));
    return task;
  }

  /** @throws PulselaneError `not_found` for an unknown task, `invalid_argument` naming the field */
  updateTask(taskId: string, changes: TaskChanges): RunningTask {
    const known = this.#tasks.get(taskId);
    if (known === undefined) throw unknownTask(taskId);
    return this.#keep(merged(known, taskId, changes));
  }

  /** @throws PulselaneError `not_found` */
  removeTask(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw unknownTask(taskId);
    this.#tasks.delete(taskId);
    this.#addedAtUnixMs.delete(taskId);
    this.#change(loadOfTask(task), NO_LOAD, '');
  }

  /**
   * Removes the task; how it ended is kept until {@link endedTold}. Unless the program said when it started, that is when it was added.
   * @throws PulselaneError `not_found`, `invalid_argument` naming the field
   */
  endTask(taskId: string, end: TaskEnd, nowUnixMs: number): NumberedEnd {
    const running = this.#tasks.get(taskId);
    if (running === undefined) throw unknownTask(taskId);
    checkEnd(taskId, end);
    const startedAtUnixMs = running.startedAtUnixMs ?? this.#addedAtUnixMs.get(taskId);
    this.removeTask(taskId);
    const task: EndedTask = {
      taskId,
      ...(startedAtUnixMs === undefined ? {} : { startedAtUnixMs }),
      endedAtUnixMs: Math.round(nowUnixMs),
      ...defined(end),
    };
    const numbered = { number: ++this.#lastEnd, task };
    this.#ended.push(numbered);
    // The thread does the same, and counts it.
    if (this.#ended.length > MAX_ENDED_TASKS) this.#ended.shift();
    return numbered;
  }

  ended(): NumberedEnd[] {
    return [...this.#ended];
  }

  /** All up to that one are told to a master, or dropped. */
  endedTold(upTo: number): void {
    this.#ended = this.#ended.filter(({ number }) => number > upTo);
  }

  /** @throws PulselaneError `invalid_argument` unless `value` is finite */
  setMetric(name: string, value: number): void {
    checkName('metric name', name);
    if (!Number.isFinite(value)) throw invalid(`metric "${name}" is ${value}; expected a finite number`);
    if (!this.#metrics.has(name) && this.#metrics.size >= MAX_METRICS) {
      throw new PulselaneError('resource_exhausted', `metric "${name}" is one above the ${MAX_METRICS} metrics`);
    }
    if (!this.#metrics.has(name)) {
      this.#mustCount(`metric "${name}"`);
      this.#change(NO_LOAD, loadOfMetric(name), `metric "${name}"`);
    }
    this.#metrics.set(name, value);
  }

  /** @throws PulselaneError `not_found` */
  removeMetric(name: string): void {
    if (!this.#metrics.delete(name)) throw new PulselaneError('not_found', `metric "${name}" is not known`);
    this.#change(loadOfMetric(name), NO_LOAD, '');
  }

  #keep(task: RunningTask): RunningTask {
    checkTask(task);
    const known = this.#tasks.get(task.taskId);
    this.#change(known === undefined ? NO_LOAD : loadOfTask(known), loadOfTask(task), `task "${task.taskId}"`);
    this.#tasks.set(task.taskId, task);
    return task;
  }

  /** The same limit as the master's, so that the master never refuses the heartbeat. */
  #mustCount(what: string): void {
    if (this.#tasks.size + this.#metrics.size < MAX_TASKS_AND_METRICS) return;
    throw tooMuch(`${what} is one above the ${MAX_TASKS_AND_METRICS} tasks and metrics that a heartbeat may hold`);
  }

  #change(before: Load, after: Load, what: string): void {
    const messageBytes = this.#messageBytes - before.messageBytes + after.messageBytes;
    const recordBytes = this.#recordBytes - before.recordBytes + after.recordBytes;
    const grows = after.messageBytes > before.messageBytes || after.recordBytes > before.recordBytes;
    if (grows && messageBytes > ROOM.messageBytes) {
      throw tooMuch(`with ${what} a heartbeat would have more than ${MAX_MESSAGE_BYTES} bytes`);
    }
    if (grows && recordBytes > ROOM.recordBytes) {
      throw tooMuch(`with ${what} a heartbeat would have more than ${MAX_RECORD_BYTES} bytes as the master’s JSON`);
    }
    this.#messageBytes = messageBytes;
    this.#recordBytes = recordBytes;
  }
}

const ROOM = roomFor(DEFAULT_LIMITS);
const NO_LOAD: Load = { messageBytes: 0, recordBytes: 0 };

function tooMuch(message: string): PulselaneError {
  return new PulselaneError('resource_exhausted', message);
}

const BLANK_TASK: TaskChanges = {};

/** Field by field: an explicit undefined in `changes` keeps the known value. */
function merged(known: TaskChanges, taskId: string, changes: TaskChanges): RunningTask {
  const startedAtUnixMs = changes.startedAtUnixMs ?? known.startedAtUnixMs;
  const progress = changes.progress ?? known.progress;
  return {
    taskId,
    cpuAllocated: changes.cpuAllocated ?? known.cpuAllocated ?? 0,
    memoryAllocated: changes.memoryAllocated ?? known.memoryAllocated ?? 0,
    gpuAllocated: changes.gpuAllocated ?? known.gpuAllocated ?? 0,
    status: changes.status ?? known.status ?? 'running',
    ...(startedAtUnixMs === undefined ? {} : { startedAtUnixMs }),
    ...(progress === undefined ? {} : { progress }),
  };
}

function checkTask(task: RunningTask): void {
  for (const field of ['cpuAllocated', 'memoryAllocated', 'gpuAllocated'] as const) {
    if (!(task[field] >= 0 && task[field] < Number.POSITIVE_INFINITY)) {
      throw invalid(`${field} of task "${task.taskId}" is ${task[field]}; expected a finite number from 0`);
    }
  }
  if (task.progress !== undefined && !(task.progress >= 0 && task.progress <= 1)) {
    throw invalid(`progress of task "${task.taskId}" is ${task.progress}; expected 0 to 1`);
  }
  if (
    task.startedAtUnixMs !== undefined &&
    !(Number.isSafeInteger(task.startedAtUnixMs) && task.startedAtUnixMs >= 0)
  ) {
    throw invalid(`startedAtUnixMs of task "${task.taskId}" is ${task.startedAtUnixMs}; expected whole milliseconds`);
  }
  checkName(`status of task "${task.taskId}"`, task.status);
}

function checkEnd(taskId: string, { outcome, exitCode, cpuSeconds, maxRssBytes }: TaskEnd): void {
  const wrong = (field: string, value: unknown, expected: string) => {
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
    return invalid(`${field} of task "${taskId}" is ${shown}; expected ${expected}`);
  };
  if (outcome !== undefined && !ENDED_TASK_OUTCOMES.includes(outcome)) {
    throw wrong('outcome', outcome, `one of ${ENDED_TASK_OUTCOMES.join(', ')}`);
  }
  if (exitCode !== undefined && !(Number.isInteger(exitCode) && Math.abs(exitCode) < 2 ** 31)) {
    throw wrong('exitCode', exitCode, 'a whole number of 32 bits');
  }
  if (cpuSeconds !== undefined && !(cpuSeconds >= 0 && cpuSeconds < Number.POSITIVE_INFINITY)) {
    throw wrong('cpuSeconds', cpuSeconds, 'a finite number from 0');
  }
  if (maxRssBytes !== undefined && !(Number.isSafeInteger(maxRssBytes) && maxRssBytes >= 0)) {
    throw wrong('maxRssBytes', maxRssBytes, 'a whole number of bytes from 0');
  }
}

/** Field by field: an explicit undefined is as good as none. */
function defined({ outcome, exitCode, cpuSeconds, maxRssBytes }: TaskEnd): TaskEnd {
  return {
    ...(outcome === undefined ? {} : { outcome }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(maxRssBytes === undefined ? {} : { maxRssBytes }),
  };
}

function checkName(field: string, name: string): void {
  if (typeof name !== 'string' || name === '') throw invalid(`${field} is empty`);
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw invalid(`${field} has more than ${MAX_NAME_BYTES} bytes`);
  if (!name.isWellFormed()) throw invalid(`${field} is not valid UTF-8`);
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}

function unknownTask(taskId: string): PulselaneError {
  return new PulselaneError('not_found', `taskId "${taskId}" is not known`);
}
