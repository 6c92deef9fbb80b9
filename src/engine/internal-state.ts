/** What `internal-state` shows, at the prompt and in the shell, and `GET /api/v1/internal-state`. */
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import type { LaneKind, LaneLimit, LaneState } from '../model/lanes.ts';
import type { PendingWorker } from '../model/pending.ts';
import type { RecordMemoryView } from '../model/record-memory.ts';
import type { HeartbeatTotals, MainGauges } from '../store/master-figures.ts';
import type { EngineParts } from './assemble.ts';
import { type LanePlan, laneLimitOf } from './lanes/lane-plan.ts';
import type { RefusalCounts } from './refusals.ts';

/** Counts since the start, for diagnosis. */
export interface InternalState {
  /** Identifies this run of the master: 32 hexadecimal digits. */
  readonly bootId: string;
  readonly workers: number;
  readonly activeWorkers: number;
  readonly lanes: readonly {
    readonly number: number;
    readonly kind: LaneKind;
    readonly state: LaneState;
    readonly workers: number;
    readonly restarts: number;
    /** Why its thread last failed; undefined if it never did. */
    readonly lastError: string | undefined;
  }[];
  readonly lanePlan: LanePlan;
  /** What limits the number of dedicated lanes. */
  readonly laneLimit: LaneLimit;
  /** Threads that were terminated but still run. */
  readonly threadsLeftBehind: number;
  readonly pending: readonly PendingWorker[];
  readonly recordMemory: RecordMemoryView;
  /** Refusals by reason. */
  readonly refusals: RefusalCounts;
  /** Heartbeats of all workers, including removed ones. */
  readonly totals: HeartbeatTotals;
  /** At most 250 ms old. */
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
