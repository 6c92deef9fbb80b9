import type { MemoryAmount } from '../config/kinds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import type { LivenessSettings } from './liveness/liveness.ts';
import type { AdmissionMode } from './persistence/members.ts';

/** Samples of heartbeats that are kept in memory. */
export interface SampleOptions {
  /** How long a reader may be away without losing samples: at most a day, and 32,768 samples per worker. 0: none are kept. */
  readonly spanMs: number;
  /** Memory budget for the samples of all workers: when it is reached, all are kept for less time. Default: a tenth of the memory. */
  readonly memory?: MemoryAmount | undefined;
  /** Maximum number of custom metrics and metrics of devices kept per worker, 0 to 256; default 64. */
  readonly metrics?: number | undefined;
}

/** All members are optional; the defaults are those of the master's settings, except where noted. */
export interface TelemetryManagerOptions extends Partial<LivenessSettings> {
  /** `open`: a worker is admitted with its first heartbeat; `approved`: by `registerWorker` or `approve`. */
  readonly admission?: AdmissionMode;
  readonly maxWorkers?: number;
  /** Maximum number of unapproved workers listed as pending. */
  readonly maxPending?: number;
  /** Maximum heartbeats per second per worker; default 0: no limit. */
  readonly maxWorkerHeartbeatsPerS?: number;
  /** Maximum registration changes per second per worker; default 0: no limit. */
  readonly maxWorkerRegistersPerS?: number;
  /**
   * Maximum number of workers that get their own thread; the others use the shared lanes. `auto`, the default: 32 per
   * core, at least 64, fewer if the machine's limits require it; `all`: one for every worker.
   */
  readonly maxDedicatedLanes?: number | 'auto' | 'all' | undefined;
  /** Number of threads for the other workers; `auto`, the default: one per two cores, 1 to 8. */
  readonly sharedLanes?: number | 'auto' | undefined;
  /** Maximum number of heartbeats per worker queued in its lane; when full, only the newest further heartbeat waits. */
  readonly laneDepth?: number;
  /** Heap limit of a dedicated lane in MiB; a shared lane has four times as much. */
  readonly laneHeapMib?: number;
  /**
   * With a processor, limit in MiB on memory of a dedicated lane outside the heap; a shared lane has four times as
   * much.
   */
  readonly laneOffHeapMib?: number;
  /**
   * Resident memory in MiB above which the lane that caused the growth is terminated; undefined: 90 % of what the
   * machine allows.
   */
  readonly maxResidentMib?: number | undefined;
  /** A lane that makes no progress for this long is restarted. */
  readonly laneStallMs?: number;
  /**
   * Processor time that one worker may use in 10 s of a shared lane; a worker that uses more is moved to another lane.
   */
  readonly laneBudgetMs?: number;
  /** How long a worker that crashed its lane 5 times within a minute is quarantined. */
  readonly laneQuarantineMs?: number;
  /** Path or file URL of an ES module whose default export is a `HeartbeatProcessor`; runs in every lane. */
  readonly processor?: string | URL | undefined;
  /** Maximum size of a record as JSON, in bytes. */
  readonly maxRecordBytes?: number;
  /** Memory budget for records and queued heartbeats; undefined: derived from the machine's memory. */
  readonly recordMemoryBytes?: number | undefined;
  /** Keeps samples in memory for reading threads of this package. Undefined: none are kept. */
  readonly samples?: SampleOptions | undefined;
  /** Whether lanes compare each sample with what is usual for its worker. Default: false. */
  readonly anomalyScores?: boolean;
  /** Called when threads for lanes can no longer be started, and when they can again; not caused by a worker. */
  readonly onThreadsFailing?: (fails: boolean) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** Every option, so that a typo can be refused. */
export const OPTION_NAMES: Readonly<Record<keyof TelemetryManagerOptions, true>> = {
  heartbeatIntervalMs: true,
  inactivityTimeoutMs: true,
  retentionMs: true,
  ephemeralRetentionMs: true,
  restartGraceMs: true,
  brakeMaxHoldMs: true,
  stuckAfterMs: true,
  targetHeartbeatsPerS: true,
  admission: true,
  maxWorkers: true,
  maxPending: true,
  maxWorkerHeartbeatsPerS: true,
  maxWorkerRegistersPerS: true,
  maxDedicatedLanes: true,
  sharedLanes: true,
  laneDepth: true,
  laneHeapMib: true,
  laneOffHeapMib: true,
  maxResidentMib: true,
  laneStallMs: true,
  laneBudgetMs: true,
  laneQuarantineMs: true,
  processor: true,
  maxRecordBytes: true,
  recordMemoryBytes: true,
  samples: true,
  anomalyScores: true,
  onThreadsFailing: true,
  clock: true,
  logger: true,
};

/** Those of a larger set of settings that are options of the engine. */
export function managerOptionsOf(settings: object): TelemetryManagerOptions {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => Object.hasOwn(OPTION_NAMES, name)));
}
