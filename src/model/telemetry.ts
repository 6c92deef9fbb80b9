/** The public shapes of the library: what goes in as a heartbeat, what comes out as telemetry. */

export interface RunningTask {
  readonly taskId: string;
  /** Cores. */
  readonly cpuAllocated: number;
  /** GiB. */
  readonly memoryAllocated: number;
  /** Devices. */
  readonly gpuAllocated: number;
  /** `running`, `paused` or `failed`; kept as it is sent. */
  readonly status: string;
  /** Milliseconds since the Unix epoch by the worker's clock. */
  readonly startedAtUnixMs?: number;
  /** 0 to 1. */
  readonly progress?: number;
}

/** One device; what could not be measured is absent. */
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
  /** Uuid of the device that this one is a part of, such as a MIG instance; absent for a whole device. */
  readonly parentUuid?: string;
}

/** A heartbeat as a program hands it to the library. Usages are percentages, 0 to 100; absent ones are 0. */
export interface HeartbeatInput {
  readonly workerId: string;
  readonly cpuUsage?: number;
  readonly memoryUsage?: number;
  readonly storageUsage?: number;
  readonly gpuUsage?: number;
  readonly runningTasks?: readonly Partial<RunningTask>[];
  readonly gpus?: readonly Partial<GpuUsage>[];
  /** Custom metrics: any finite numbers. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** From 1, one more with each heartbeat; 0 = not counted. */
  readonly sequence?: number;
  readonly instanceId?: string;
  readonly sentAtUnixMs?: number;
  /** How late the host program's event loop runs. */
  readonly hostLoopLagMs?: number;
  readonly lastRoundTripMs?: number;
  /** Says farewell. */
  readonly leaving?: boolean;
}

/** The newest that is known of a worker. Usages are percentages. */
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
