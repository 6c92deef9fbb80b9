/** What happened to a worker's tasks between two of its heartbeats, in order. Times ending in `Seen` and `atMs` are the master's. */
import type { EndedTaskOutcome } from './telemetry.ts';

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

/** The heartbeat: the number of its sample, modulo 2^32, and when the master received it. */
export interface AtSample {
  readonly sample: number;
  readonly atMs: number;
}

/**
 * As a reader gets it. `begin`: the tasks of this sample are all `listed` after it, and no others are there (the worker's first
 * heartbeat, or changes before it are lost). `gone`: the worker was removed, and with it its tasks; `atMs` is that of its last
 * heartbeat.
 */
export type TaskChange = (TaskEvent | { readonly type: 'begin' } | { readonly type: 'gone' }) & AtSample;
