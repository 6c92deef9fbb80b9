/**
 * Who gets a lane of its own when there is a place for one: a pure function of what is known of the workers that share lanes.
 * How many places there are is computed in thread-budget.ts.
 */
import type { FaultHistory } from './fault-history.ts';
import type { WorkerPlace } from './worker-place.ts';

/** What is known of a worker that shares a lane and has none of its own on the way. */
export interface OwnLaneCandidate {
  readonly workerId: string;
  readonly place: Pick<WorkerPlace<unknown>, 'at'>;
  /** When it was charged with the failure of a lane. */
  readonly faults: FaultHistory;
}

/**
 * The candidates in the order in which they get a lane of their own: as they are given, lane by lane. Only as many are looked
 * at as there are places.
 *
 * @param nowMs monotonic
 */
export function ownLaneOrder<C extends OwnLaneCandidate>(candidates: Iterable<C>, _nowMs: number): Iterable<C> {
  return candidates;
}
