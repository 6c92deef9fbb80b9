/** A custom processor: an operator's function that runs on each heartbeat, in the worker's lane. */
import type { EndedTask, GpuUsage, RunningTask } from './telemetry.ts';

/** The heartbeat as it was sent: valid; absent numbers are 0. The processor gets its own copy. */
export interface ProcessedHeartbeat {
  readonly workerId: string;
  /** Percentages. */
  readonly cpuUsage: number;
  readonly memoryUsage: number;
  readonly storageUsage: number;
  readonly gpuUsage: number;
  readonly runningTasks: readonly RunningTask[];
  /** The same task may be in several heartbeats. */
  readonly endedTasks: readonly EndedTask[];
  readonly gpus: readonly GpuUsage[];
  /** Custom metrics by name; an object without a prototype. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly sequence: number;
  readonly sentAtUnixMs: number;
  readonly hostLoopLagMs: number;
  readonly lastRoundTripMs: number;
}

export interface ProcessorAnswer {
  /** Finite numbers, added to the heartbeat's own metrics; they override metrics of the same name. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Why the heartbeat is rejected: the last good record stays. */
  readonly reject?: string;
}

/** The default export of the module given by `--processor`. It must be synchronous. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is a processor too
export type HeartbeatProcessor = (heartbeat: ProcessedHeartbeat) => ProcessorAnswer | undefined | void;
