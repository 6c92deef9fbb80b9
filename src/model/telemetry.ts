/** The public types of the library: heartbeats as input, telemetry as output. */

export interface RunningTask {
  readonly taskId: string;
  /** Cores. */
  readonly cpuAllocated: number;
  /** GiB. */
  readonly memoryAllocated: number;
  /** Devices. */
  readonly gpuAllocated: number;
  /** `running`, `paused` or `failed`; stored as sent. */
  readonly status: string;
  /** Milliseconds since the Unix epoch by the worker's clock. */
  readonly startedAtUnixMs?: number;
  /** 0 to 1. */
  readonly progress?: number;
}

/** How a task ended, as its worker says it; absent members are unknown. */
export interface EndedTask {
  /** Not empty. */
  readonly taskId: string;
  /** Milliseconds since the Unix epoch by the worker's clock. */
  readonly startedAtUnixMs?: number;
  /** The same. It tells two runs of one task id apart. */
  readonly endedAtUnixMs?: number;
  readonly outcome?: EndedTaskOutcome;
  /** Negative: the signal that killed it, where the worker says so. */
  readonly exitCode?: number;
  /** Used by the task in all. */
  readonly cpuSeconds?: number;
  /** Largest resident memory. */
  readonly maxRssBytes?: number;
}

/**
 * `finished`: with success. `failed`: by itself, with an error. `killed`: by somebody else, such as an operator or the kernel.
 * `vanished`: it was gone when the worker looked.
 */
export const ENDED_TASK_OUTCOMES = ['finished', 'failed', 'killed', 'vanished'] as const;
export type EndedTaskOutcome = (typeof ENDED_TASK_OUTCOMES)[number];

/** One device; members that could not be measured are absent. */
export interface GpuUsage {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** 0 to 100. */
  readonly utilizationPercent?: number;
  readonly memoryUsedBytes?: number;
  readonly memoryTotalBytes?: number;
  readonly temperatureCelsius?: number;
  readonly powerWatts?: number;
  /** Uuid of the device of which this one is a part, such as a MIG instance; absent for a whole device. */
  readonly parentUuid?: string;
}

/** A heartbeat passed to the library. Usages are percentages, 0 to 100; absent ones are 0. */
export interface HeartbeatInput {
  readonly workerId: string;
  readonly cpuUsage?: number;
  readonly memoryUsage?: number;
  readonly storageUsage?: number;
  readonly gpuUsage?: number;
  readonly runningTasks?: readonly Partial<RunningTask>[];
  /** Tasks that ended since the last heartbeat, at most 1,000. Repeated ones count once. */
  readonly endedTasks?: readonly EndedTask[];
  readonly gpus?: readonly Partial<GpuUsage>[];
  /** Custom metrics: any finite numbers. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** From 1, incremented with each heartbeat; 0 = not numbered. */
  readonly sequence?: number;
  readonly instanceId?: string;
  readonly sentAtUnixMs?: number;
  /** Delay of the host program's event loop. */
  readonly hostLoopLagMs?: number;
  readonly lastRoundTripMs?: number;
  /** The worker says farewell. */
  readonly leaving?: boolean;
}

/** The latest state of a worker. Usages are percentages. */
export interface WorkerTelemetry {
  readonly workerId: string;
  readonly cpuUsage: number;
  readonly memoryUsage: number;
  readonly storageUsage: number;
  readonly gpuUsage: number;
  readonly runningTasks: readonly RunningTask[];
  readonly gpus: readonly GpuUsage[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Unix seconds of the last accepted heartbeat, or of the registration if there was none yet. */
  readonly lastUpdate: number;
  readonly isActive: boolean;
}
