/**
 * Decides which workers get a dedicated lane when there are not enough, and which worker gives up its lane for another:
 * pure functions. lane-plan.ts decides how many lanes there are.
 *
 * | need     | a worker that                                                                                         |
 * |----------|-------------------------------------------------------------------------------------------------------|
 * | failed   | was charged with a lane failure in the last ten minutes: it would harm others on a shared lane        |
 * | decided  | an operator set to `dedicated`                                                                        |
 * | wished   | requests it by its label                                                                              |
 * | heavy    | takes much of a lane's time (worker-load.ts), so that others wait                                     |
 * | ordinary | is none of these                                                                                      |
 * | absent   | has left, is inactive, or has not reported since the master started; overrides the above              |
 * | never    | an operator set to `shared`                                                                           |
 *
 * Free lanes go to the greatest need, then to the earliest arrival. If none is free, a worker takes the lane of the
 * worker with the least need, if that need is smaller than its own. Equal needs never displace each other, so that
 * nothing moves while nothing changes. A worker keeps a new lane for KEPT_FOR_MS, unless a failed or decided one needs
 * it. An absent worker gets no lane; it keeps the one it has until another worker needs it.
 */
import type { Isolation } from '../../model/isolation.ts';
import { CLEAN_AFTER_MS, type FaultHistory } from './fault-history.ts';

/** Facts that determine a worker's need. */
export interface NeedFacts {
  /** Order of becoming known; lower is earlier. */
  readonly arrival: number;
  /** The operator's decision. */
  readonly isolation: Isolation;
  readonly wishesOwnLane: boolean;
  readonly isHeavy: boolean;
  /** The worker is absent as far as is known. */
  readonly isAbsent: boolean;
  /** Lane failures charged to the worker. */
  readonly faults: FaultHistory;
}

/** Greater needs come first. */
export const Need = { never: 0, absent: 1, ordinary: 2, heavy: 3, wished: 4, decided: 5, failed: 6 } as const;
export type Need = (typeof Need)[keyof typeof Need];

/**
 * Minimum time that a worker keeps its lane against changing labels and loads: a start costs 20 ms of CPU, a move a
 * pause.
 */
export const KEPT_FOR_MS = 60_000;

/** @param nowMs monotonic time */
export function needOf({ isolation, wishesOwnLane, isHeavy, isAbsent, faults }: NeedFacts, nowMs: number): Need {
  if (isolation === 'shared') return Need.never;
  if (isAbsent) return Need.absent;
  const failedMs = faults.at(-1);
  if (failedMs !== undefined && nowMs - failedMs < CLEAN_AFTER_MS) return Need.failed;
  if (isolation === 'dedicated') return Need.decided;
  if (wishesOwnLane) return Need.wished;
  return isHeavy ? Need.heavy : Need.ordinary;
}

/**
 * The candidates for a dedicated lane, in the order in which they get one.
 * @param nowMs monotonic time
 */
export function* ownLaneOrder<C extends NeedFacts>(candidates: Iterable<C>, nowMs: number): Generator<C> {
  const byNeed: C[][] = Array.from({ length: Need.failed + 1 }, () => []);
  for (const candidate of candidates) byNeed[needOf(candidate, nowMs)]?.push(candidate);
  for (let need: number = Need.failed; need > Need.absent; need--)
    yield* (byNeed[need] ?? []).sort((a, b) => a.arrival - b.arrival);
}

/** A worker with a dedicated lane. */
export interface LaneHolder<C> {
  readonly worker: C;
  /** When it got the lane, in monotonic time. */
  readonly sinceMs: number;
}

/**
 * The worker whose lane `candidate` gets: the one with the least need, and among these the last. Undefined if no need
 * is smaller than the candidate's.
 * @param holders in the order in which they got their lanes
 * @param nowMs monotonic time
 */
export function whoGivesWay<C extends NeedFacts>(
  candidate: C,
  holders: Iterable<LaneHolder<C>>,
  nowMs: number,
): C | undefined {
  const need = needOf(candidate, nowMs);
  const isUrgent = need >= Need.decided;
  let least: C | undefined;
  let leastNeed: number = need - 1;
  for (const { worker, sinceMs } of holders) {
    const itsNeed = needOf(worker, nowMs);
    // A worker that may not have a lane, or is absent, gives way at once.
    const isKept = !isUrgent && itsNeed > Need.absent && nowMs - sinceMs < KEPT_FOR_MS;
    if (isKept || itsNeed > leastNeed) continue;
    least = worker;
    leastNeed = itsNeed;
  }
  return least;
}

/** The candidate with the greatest need; undefined if all needs are equal. */
export function neediest<C extends NeedFacts>(candidates: Iterable<C>, nowMs: number): C | undefined {
  let most: C | undefined;
  let mostNeed: number = Need.ordinary;
  for (const candidate of candidates) {
    const need = needOf(candidate, nowMs);
    if (need <= mostNeed) continue;
    most = candidate;
    mostNeed = need;
    if (need === Need.failed) break;
  }
  return most;
}

/**
 * | state      | the worker                                                                      |
 * |------------|---------------------------------------------------------------------------------|
 * | dedicated  | is on its own lane                                                              |
 * | awaited    | is on a shared lane until its own is ready                                      |
 * | leaving    | is about to move from its own lane to a shared one                              |
 * | shared     | is on a shared lane, as decided or because it needs no other                    |
 * | penalty    | shares the penalty lane with other workers that failed                          |
 * | quarantine | has a lane without a thread                                                     |
 * | full       | is on a shared lane; all dedicated lanes are taken by workers of at least equal need |
 * | memory     | is on a shared lane; the machine lacks memory for another lane                  |
 * | none       | is on a shared lane; there are no dedicated lanes                               |
 * | absent     | is not in the fleet; the decision applies when it reports                       |
 */
export type LaneStanding =
  | 'dedicated'
  | 'awaited'
  | 'leaving'
  | 'shared'
  | 'penalty'
  | 'quarantine'
  | 'full'
  | 'memory'
  | 'none'
  | 'absent';
