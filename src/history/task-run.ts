/** One run of a task on a worker, from the first heartbeat that lists it to its end. */

/**
 * | outcome  | meaning                                                                        |
 * |----------|--------------------------------------------------------------------------------|
 * | running  | the worker's last heartbeat lists it                                           |
 * | ended    | it left the list, and the worker did not say how it ended                      |
 * | finished, failed, killed, vanished | as the worker said (`Heartbeat.ended_tasks`)           |
 */
export const TASK_OUTCOMES = ['running', 'ended', 'finished', 'failed', 'killed', 'vanished'] as const;
export type TaskOutcome = (typeof TASK_OUTCOMES)[number];

/** Identified by worker, task id and `firstSeenMs`. Times are Unix ms: `…Seen` by the master's clock, the others by the worker's. */
export interface TaskRun {
  readonly workerId: string;
  readonly taskId: string;
  readonly firstSeenMs: number;
  /** Null while it runs: then it was seen by the worker's last heartbeat. */
  readonly lastSeenMs: number | null;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** As sent: running, paused, failed. */
  readonly status: string;
  /** Cores. */
  readonly cpuAllocated: number;
  /** GiB. */
  readonly memoryAllocated: number;
  /** Devices. */
  readonly gpuAllocated: number;
  readonly outcome: TaskOutcome;
  readonly exitCode: number | null;
  readonly cpuSeconds: number | null;
  readonly maxRssBytes: number | null;
}
