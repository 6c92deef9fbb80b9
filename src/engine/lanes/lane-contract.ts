/** What a lane's handle is given, needs of its workers, and tells whoever owns it. `L` is the handle (lane-handle.ts). */
import type { LaneThreadData } from '../../lane/messages.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import type { FaultCause, LaneKind } from '../../model/lanes.ts';
import type { PublicationsMemory } from '../../store/publications.ts';
import type { AllowanceMemory } from '../../store/record-allowance.ts';
import type { SlotMemory } from '../../store/slot-memory.ts';
import type { SlotReader } from '../../store/slot-reader.ts';
import type { Mailbox } from '../workers/mailbox.ts';
import type { FaultHistory } from './fault-history.ts';
import type { NeedFacts } from './lane-policy.ts';
import type { WorkerPlace } from './worker-place.ts';

export interface WorkerOf<L> extends NeedFacts {
  readonly workerId: string;
  readonly row: number;
  /** Which occupant of the row it is. */
  readonly occupant: number;
  readonly mailbox: Mailbox;
  /** The newest memory of the worker, also after it is forgotten: until its lane has left it, that may change. */
  slot: SlotReader;
  /** Which lane takes its heartbeats, and where it is on its way to. Kept by the pool. */
  place: WorkerPlace<L>;
  /** When it was charged with the failure of a lane. Kept by the pool. */
  faults: FaultHistory;
}

/** A thread of a lane ended without being asked to. */
export interface FailureOf<L> {
  readonly cause: FaultCause;
  /** For people. */
  readonly reason: string;
  /** Whose heartbeat did it, or what was begun for it; undefined if nobody's is known to. */
  readonly culprit: WorkerOf<L> | undefined;
  /** It was a processor's doing, and nothing tells for which worker. */
  readonly isUntraced: boolean;
  /** The thread did not end and may still run. */
  readonly isAbandoned: boolean;
  /** It had not come so far as to take heartbeats: no worker has a part in that. */
  readonly isFailedStart: boolean;
}

/** What is to happen after a failure. */
export type AfterFailure = { readonly restartInMs: number } | { readonly quarantineMs: number };

export interface EventsOf<L> {
  /** Its thread takes heartbeats. */
  onReady(lane: L): void;
  /** A start is over: the thread is ready, or has failed to be, or is not wanted any more. */
  onStartOver(lane: L): void;
  /** The lane's back-off after a failure is over: it is to be started again, in its turn. */
  onRestartDue(lane: L): void;
  onQuarantineOver(lane: L): void;
  /** State or restarts have changed. */
  onChange(lane: L): void;
  /** The worker, which may be forgotten by now, has this memory from now on: `slot` is to be of it. */
  onGrown(worker: WorkerOf<L>, memory: SlotMemory): void;
  /** The old thread would not end, and has the worker's slot in hand: the worker must go on in a copy of it. */
  onAbandoned(worker: WorkerOf<L>): void;
  /** The heartbeat in hand is gone with the thread. */
  onLost(worker: WorkerOf<L>, cause: FaultCause): void;
  /** The thread has ended. May move workers to other lanes. */
  onFailure(lane: L, failure: FailureOf<L>): AfterFailure;
}

export interface OptionsOf<L> {
  readonly number: number;
  readonly kind: LaneKind;
  readonly limits: LaneLimits;
  readonly processor: LaneThreadData['processor'];
  /** Workers that there can be; their rows are below it. */
  readonly rows: number;
  /** Whoever is known there, on whatever lane. */
  readonly workerAt: (row: number, occupant: number) => WorkerOf<L> | undefined;
  readonly allowance: AllowanceMemory;
  readonly publications: PublicationsMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventsOf<L>;
}

export interface LaneLimits {
  readonly heapMib: number;
  readonly offHeapMib: number;
  /** Without progress for this long, the thread is ended. */
  readonly stallMs: number;
  /** Of a shared lane's time, for one worker, see time-shares.ts. */
  readonly budgetMs: number;
}
