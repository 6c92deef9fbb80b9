/** What people see who look inside a master. */
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import type { LaneKind, LaneLimit, LaneState } from '../model/lanes.ts';
import type { PendingWorker } from '../model/pending.ts';
import type { RecordMemoryView } from '../model/record-memory.ts';
import type { HeartbeatTotals, MainGauges } from '../store/master-figures.ts';
import type { EngineParts } from './assemble.ts';
import { type LanePlan, laneLimitOf } from './lanes/lane-plan.ts';
import type { RefusalCounts } from './refusals.ts';

/** Counts since the start, for people who look inside. */
export interface InternalState {
  /** Tells this life of the master from others: 32 hexadecimal digits. */
  readonly bootId: string;
  readonly workers: number;
  readonly activeWorkers: number;
  readonly lanes: readonly {
    readonly number: number;
    readonly kind: LaneKind;
    readonly state: LaneState;
    readonly workers: number;
    readonly restarts: number;
    /** Why its thread failed last; undefined if none did. */
    readonly lastError: string | undefined;
  }[];
  readonly lanePlan: LanePlan;
  /** What keeps the number of dedicated lanes where it is. */
  readonly laneLimit: LaneLimit;
  /** Threads that were ended and still run. */
  readonly threadsLeftBehind: number;
  readonly pending: readonly PendingWorker[];
  readonly recordMemory: RecordMemoryView;
  /** What was refused, by reason. */
  readonly refusals: RefusalCounts;
  /** Heartbeats of all workers there ever were. */
  readonly totals: HeartbeatTotals;
  /** A quarter of a second old at most. */
  readonly gauges: MainGauges;
  readonly mergedUpdates: number;
  readonly callbackErrors: number;
}

export function internalStateOf({
  board,
  lanes,
  lanePlan,
  members,
  slots,
  refusals,
  updates,
}: EngineParts): InternalState {
  return {
    bootId: board.bootId,
    workers: board.workers,
    activeWorkers: board.activeWorkers,
    lanes: lanes.lanes.map((lane) => ({
      number: lane.number,
      kind: lane.kind,
      state: lane.state,
      workers: lane.workerCount,
      restarts: lane.restarts,
      lastError: lane.lastError,
    })),
    lanePlan: lanePlan,
    laneLimit: laneLimitOf(lanePlan, lanes.isHeldBack),
    threadsLeftBehind: threadsLeftBehind(),
    pending: members.pending(),
    recordMemory: slots.records.view,
    refusals: refusals.counts(),
    totals: board.totals,
    gauges: board.figures().gauges,
    mergedUpdates: updates.merged,
    callbackErrors: updates.callbackErrors,
  };
}
