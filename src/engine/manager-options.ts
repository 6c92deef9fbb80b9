import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import type { LivenessSettings } from './liveness/liveness.ts';
import type { AdmissionMode } from './persistence/members.ts';

/** Every member is optional; the defaults are those of the master's settings. */
export interface TelemetryManagerOptions extends Partial<LivenessSettings> {
  /** `open`: a first heartbeat admits a worker; `approved`: `registerWorker` or `approve` does. */
  readonly admission?: AdmissionMode;
  readonly maxWorkers?: number;
  /** Most unknown workers remembered while they wait for approval. */
  readonly maxPending?: number;
  /** Most heartbeats a second of one worker; 0, the default here, is no limit. */
  readonly maxWorkerHeartbeatsPerS?: number;
  /** Most changes a second of one worker, as registrations are; 0, the default here, is no limit. */
  readonly maxWorkerRegistersPerS?: number;
  /**
   * Most workers with a thread of their own; the rest share. `auto`, the default: as many as the cores run well, 64 at
   * least, if the machine carries them; `all`: one each, whatever it costs.
   */
  readonly maxDedicatedLanes?: number | 'auto' | 'all' | undefined;
  /** Threads for those who share; `auto`, the default: one for every two cores, 1 to 8. */
  readonly sharedLanes?: number | 'auto' | undefined;
  /** Heartbeats per worker on their way to its lane; beyond it the newest replaces the one that waits. */
  readonly laneDepth?: number;
  /** Heap limit of a dedicated lane; a shared one has four times as much. */
  readonly laneHeapMib?: number;
  /** Limit of a dedicated lane's memory outside the heap, with a processor; a shared one has four times as much. */
  readonly laneOffHeapMib?: number;
  /** Memory of the process at which the lane is ended that made it grow; undefined: nine tenths of what the machine has. */
  readonly maxResidentMib?: number | undefined;
  /** A lane that makes no progress for this long is ended and started again. */
  readonly laneStallMs?: number;
  /** A worker for whom the processor takes so long of a shared lane's 10 s is moved to another lane. */
  readonly laneBudgetMs?: number;
  /** How long a worker that keeps ending its lane gets no other. */
  readonly laneQuarantineMs?: number;
  /** Path or file URL of an ES module whose default export is a `HeartbeatProcessor`; it runs in every lane. */
  readonly processor?: string | URL | undefined;
  /** Largest record, in bytes of JSON. */
  readonly maxRecordBytes?: number;
  /** Memory for records and heartbeats on their way; undefined: what the machine's memory suggests. */
  readonly recordMemoryBytes?: number | undefined;
  /**
   * For reading threads of this package: keeps samples of each worker for those that drain them, for so long as one of
   * these may be away; undefined: nobody reads samples, and none are kept. A day at most, and at most 4096 samples of each.
   */
  readonly samples?: { readonly spanMs: number } | undefined;
  /** Told when threads for lanes can no longer be started, and when they can again: no worker's fault. */
  readonly onThreadsFailing?: (fails: boolean) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}
