/** What happened to a worker's tasks between two of its heartbeats, in order. Times ending in `Seen` and `atMs` are the master's. */
import { taskHashOf } from './task-hash.ts';
import type { EndedTask, EndedTaskOutcome, RunningTask } from './telemetry.ts';
import { MAX_UNIX_MS } from './unix-ms.ts';

/** A task is in the list that was not in the one before, or has other values. */
export interface TaskListed {
  readonly type: 'listed';
  readonly taskId: string;
  /** As sent. */
  readonly status: string;
  /** Cores. */
  readonly cpuAllocated: number;
  /** GiB. */
  readonly memoryAllocated: number;
  /** Devices. */
  readonly gpuAllocated: number;
  /** Unix ms by the worker's clock. */
  readonly startedMs: number | null;
}

/** A task is no longer in the list, or is there with another start: that is another run. */
export interface TaskLeft {
  readonly type: 'left';
  readonly taskId: string;
  /** When the last heartbeat that lists it came. */
  readonly lastSeenMs: number;
}

/** The worker says how a task ended. May be repeated. */
export interface TaskEnded {
  readonly type: 'ended';
  readonly taskId: string;
  /** Unix ms by the worker's clock, as the next one. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly outcome: EndedTaskOutcome | null;
  readonly exitCode: number | null;
  readonly cpuSeconds: number | null;
  readonly maxRssBytes: number | null;
}

/** What a lane logs of one heartbeat. */
export type TaskEvent = TaskListed | TaskLeft | TaskEnded;

/** The heartbeat: the number of its sample among those of its worker's memory, and when the master received it. */
export interface AtSample {
  readonly sample: number;
  readonly atMs: number;
}

/** The tasks of this sample are all `listed` after it, and no others are there: earlier changes are lost, or there are none. */
export interface TasksBegin {
  readonly type: 'begin';
  /** When the last heartbeat before came; null: unknown. */
  readonly lastSeenMs: number | null;
}

/** As a reader gets it. `gone`: the worker was removed, and with it its tasks; `atMs` is that of its last heartbeat. */
export type TaskChange = (TaskEvent | TasksBegin | { readonly type: 'gone' }) & AtSample;

/** Maximum size of an id as it is logged. */
export const MAX_LOGGED_ID_BYTES = 512;
export const MAX_LOGGED_STATUS_BYTES = 128;

export function listedEvent(task: RunningTask): TaskListed {
  return {
    type: 'listed',
    taskId: loggedId(task.taskId),
    status: cut(task.status, MAX_LOGGED_STATUS_BYTES),
    cpuAllocated: task.cpuAllocated,
    memoryAllocated: task.memoryAllocated,
    gpuAllocated: task.gpuAllocated,
    startedMs: timeOf(task.startedAtUnixMs),
  };
}

export function endedEvent(task: EndedTask): TaskEnded {
  return {
    type: 'ended',
    taskId: loggedId(task.taskId),
    startedMs: timeOf(task.startedAtUnixMs),
    endedMs: timeOf(task.endedAtUnixMs),
    outcome: task.outcome ?? null,
    exitCode: task.exitCode ?? null,
    cpuSeconds: task.cpuSeconds ?? null,
    maxRssBytes: task.maxRssBytes ?? null,
  };
}

/** Longer ids are cut, and get a hash of the whole id, so that they stay distinct. */
export function loggedId(taskId: string): string {
  if (isWithin(taskId, MAX_LOGGED_ID_BYTES)) return taskId;
  const hash = taskHashOf(taskId).toString(36);
  return `${cut(taskId, MAX_LOGGED_ID_BYTES - 3 - hash.length)}…${hash}`;
}

/** The longest beginning of at most so many bytes, without splitting a character. */
function cut(text: string, maxBytes: number): string {
  if (isWithin(text, maxBytes)) return text;
  const bytes = Buffer.alloc(maxBytes);
  return bytes.toString('utf8', 0, bytes.write(text, 0, maxBytes));
}

/** A UTF-16 unit takes at most three bytes. */
function isWithin(text: string, maxBytes: number): boolean {
  return 3 * text.length <= maxBytes || Buffer.byteLength(text) <= maxBytes;
}

/** Any number may be sent as a start: one that is no time is unknown. */
function timeOf(unixMs: number | undefined): number | null {
  return unixMs !== undefined && unixMs >= 0 && unixMs <= MAX_UNIX_MS ? unixMs : null;
}
