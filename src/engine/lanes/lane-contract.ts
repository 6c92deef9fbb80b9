/** The interfaces between a lane's handle, its workers and its owner. `L` is the handle (lane-handle.ts). */
import type { ExpectedMetrics, LaneThreadData } from '../../lane/messages.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import type { FaultCause, LaneKind } from '../../model/lanes.ts';
import type { PublicationsMemory } from '../../store/publications.ts';
import type { AllowanceMemory } from '../../store/record-allowance.ts';
import type { AcceptedNormal } from '../../store/score-writer.ts';
import type { SlotMemory } from '../../store/slot-memory.ts';
import type { SlotReader } from '../../store/slot-reader.ts';
import type { Mailbox } from '../workers/mailbox.ts';
import type { FaultHistory } from './fault-history.ts';
import type { NeedFacts } from './lane-policy.ts';
import type { WorkerPlace } from './worker-place.ts';

export interface WorkerOf<L> extends NeedFacts {
  readonly workerId: string;
  readonly row: number;
  /** Number of the row's occupant. */
  readonly occupant: number;
  readonly mailbox: Mailbox;
  /** The worker's newest slot; it may change even after the worker was removed, until its lane has left it. */
  slot: SlotReader;
  /** Which lane serves the worker, and where it is moving. Set by the pool. */
  place: WorkerPlace<L>;
  /** Failures charged to the worker. Set by the pool. */
  faults: FaultHistory;
  /** What its lane could not be told yet, since it has no thread. */
  untoldExpected: ExpectedMetrics | undefined;
}

/** An unexpected end of a lane's thread. */
export interface FailureOf<L> {
  readonly cause: FaultCause;
  /** Readable text. */
  readonly reason: string;
  /** The worker whose heartbeat, or work started for it, caused the failure; undefined if unknown or none. */
  readonly culprit: WorkerOf<L> | undefined;
  /** A processor caused it, and the worker is unknown. */
  readonly isUntraced: boolean;
  /** The thread did not end and may still run. */
  readonly isAbandoned: boolean;
  /** It failed before it accepted heartbeats, so no worker caused it. */
  readonly isFailedStart: boolean;
}

/** What to do after a failure. */
export type AfterFailure =
  | {
      readonly restartInMs: number;
      /** Whoever waits for this lane's start tells the reason. */
      readonly isReported?: boolean;
    }
  | { readonly quarantineMs: number };

export interface EventsOf<L> {
  /** The thread accepts heartbeats. */
  onReady(lane: L): void;
  /** A start has ended: the thread is ready, has failed to start, or is no longer needed. */
  onStartOver(lane: L): void;
  /** The back-off after a failure has passed: the lane is to be started again, in its turn. */
  onRestartDue(lane: L): void;
  onQuarantineOver(lane: L): void;
  /** State or restart count has changed. */
  onChange(lane: L): void;
  /** The worker, which may have been removed, has new slot memory: `slot` must be updated. */
  onGrown(worker: WorkerOf<L>, memory: SlotMemory): void;
  /** What was unusual of the worker for long is its usual now. */
  onAccepted(worker: WorkerOf<L>, normal: AcceptedNormal): void;
  /** The old thread does not end and may still write the worker's slot: the worker must continue in a copy. */
  onAbandoned(worker: WorkerOf<L>): void;
  /** The heartbeat in process is lost with the thread. */
  onLost(worker: WorkerOf<L>, cause: FaultCause): void;
  /** The thread has ended. The listener may move workers to other lanes. */
  onFailure(lane: L, failure: FailureOf<L>): AfterFailure;
}

export interface OptionsOf<L> {
  readonly number: number;
  readonly kind: LaneKind;
  readonly limits: LaneLimits;
  readonly processor: LaneThreadData['processor'];
  /** Number of rows for workers. */
  readonly rows: number;
  /** The worker at the row, on any lane. */
  readonly workerAt: (row: number, occupant: number) => WorkerOf<L> | undefined;
  readonly allowance: AllowanceMemory;
  readonly publications: PublicationsMemory;
  readonly applyTimes: LaneThreadData['applyTimes'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventsOf<L>;
}

export interface LaneLimits {
  readonly heapMib: number;
  readonly offHeapMib: number;
  /** The thread is terminated after this long without progress. */
  readonly stallMs: number;
  /** Processor time that one worker may use on a shared lane, see time-shares.ts. */
  readonly budgetMs: number;
}
