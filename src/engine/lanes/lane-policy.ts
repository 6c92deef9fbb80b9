/**
 * Who gets a lane of its own where there are not enough for all, and who gives up its lane for whom: pure functions of what
 * is known of the workers. How many lanes there are is decided in lane-plan.ts.
 *
 * | need     | of a worker                                                                                           |
 * |----------|-------------------------------------------------------------------------------------------------------|
 * | failed   | that was charged with the failure of a lane, for ten minutes: it harms those that it shares one with  |
 * | decided  | for which an operator decided so                                                                      |
 * | wished   | that wishes so by its label                                                                           |
 * | heavy    | that takes much of a lane's time (worker-load.ts): others wait for it                                 |
 * | ordinary | like all others                                                                                       |
 * | absent   | that is not there, whatever else: it has left, is inactive, or was not heard since the master began   |
 * | never    | for which an operator decided that it shares                                                          |
 *
 * Free lanes go to those who need them most, among equals to those who came first. Where none is free, who needs one
 * more gets that of who needs it least. Among equals nobody gives way, so that nothing moves while nothing changes; and
 * who got a lane a moment ago keeps it for a while, unless for one that failed or was decided for. An absent worker gets
 * none; it keeps the one that it has until anybody else needs it, and then gives it at once.
 */
import type { Isolation } from '../../model/isolation.ts';
import { CLEAN_AFTER_MS, type FaultHistory } from './fault-history.ts';

/** What is known of a worker's need. */
export interface NeedFacts {
  /** The lower, the earlier it became known. */
  readonly arrival: number;
  /** What an operator decided. */
  readonly isolation: Isolation;
  readonly wishesOwnLane: boolean;
  readonly isHeavy: boolean;
  /** It is not there, as far as is known. */
  readonly isAbsent: boolean;
  /** When it was charged with the failure of a lane. */
  readonly faults: FaultHistory;
}

/** The greater, the sooner. */
export const Need = { never: 0, absent: 1, ordinary: 2, heavy: 3, wished: 4, decided: 5, failed: 6 } as const;
export type Need = (typeof Need)[keyof typeof Need];

/** What a worker's label and load come to at any time: a start costs some 20 ms of CPU, a move a pause. */
export const KEPT_FOR_MS = 60_000;

/** @param nowMs monotonic */
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
 * Those who may be given a lane of their own, in the order in which they get it.
 * @param nowMs monotonic
 */
export function* ownLaneOrder<C extends NeedFacts>(candidates: Iterable<C>, nowMs: number): Generator<C> {
  const byNeed: C[][] = Array.from({ length: Need.failed + 1 }, () => []);
  for (const candidate of candidates) byNeed[needOf(candidate, nowMs)]?.push(candidate);
  for (let need: number = Need.failed; need > Need.absent; need--)
    yield* (byNeed[need] ?? []).sort((a, b) => a.arrival - b.arrival);
}

/** A worker that has a lane of its own. */
export interface LaneHolder<C> {
  readonly worker: C;
  /** When it got it, in monotonic time. */
  readonly sinceMs: number;
}

/**
 * Whose lane `candidate` is to get: of those who need theirs least, the last one. Undefined if all need theirs as much.
 * @param holders in the order in which they got their lanes
 * @param nowMs monotonic
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
    // Who may have none, or is not there, gives way at once.
    const isKept = !isUrgent && itsNeed > Need.absent && nowMs - sinceMs < KEPT_FOR_MS;
    if (isKept || itsNeed > leastNeed) continue;
    least = worker;
    leastNeed = itsNeed;
  }
  return least;
}

/** Who needs a lane most of those who have none; undefined if nobody needs one more than any other. */
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
 * | a worker   | now                                                                             |
 * |------------|---------------------------------------------------------------------------------|
 * | dedicated  | is on its own lane                                                              |
 * | awaited    | shares one until its own is up                                                  |
 * | leaving    | is about to leave its own for a shared one                                      |
 * | shared     | shares one, as was decided or since it needs none                               |
 * | penalty    | shares one with others that failed                                              |
 * | quarantine | has a lane without a thread                                                     |
 * | full       | shares one; all lanes are taken by workers that need them as much               |
 * | memory     | shares one; the machine has no memory for another lane                          |
 * | none       | shares one, as all do: there is no dedicated lane                               |
 * | absent     | is not in the fleet; what was decided holds once it comes                       |
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
