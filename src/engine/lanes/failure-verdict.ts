/**
 * What follows when a thread of a lane that was up has ended: a pure function of what is known of it.
 *
 * | the lane serves | and                                                                 | follows                        |
 * |-----------------|---------------------------------------------------------------------|--------------------------------|
 * | whomever        | it is draining                                                      | restart                        |
 * | one worker      | the thread does not end, or there were {@link MAX_FAULTS} failures  | quarantine of the lane         |
 * |                 | otherwise                                                           | restart                        |
 * | several         | a processor did it, and nothing tells for whom                      | a search                       |
 * |                 | nobody did it, or somebody who is on another lane by now            | restart                        |
 * |                 | the thread does not end; or, on the penalty lane, there were        | quarantine of who did it       |
 * |                 | {@link MAX_FAULTS} failures of who did it                           |                                |
 * |                 | otherwise, on a shared lane                                         | a place apart for who did it   |
 * |                 | otherwise, on the penalty lane                                      | restart; who did it stays      |
 *
 * Failures count for a minute. A lane that who did it has left is started again at once.
 */
import type { LaneKind } from '../../model/lanes.ts';
import { type FaultHistory, isTooMuch, restartDelayMs } from './fault-history.ts';

export interface FailureFacts<W> {
  readonly kind: LaneKind;
  readonly isDraining: boolean;
  /** The thread did not end and may still run. */
  readonly isAbandoned: boolean;
  /** A processor did it, and nothing tells for which worker. */
  readonly isUntraced: boolean;
  /** Of the lane, this failure included. */
  readonly faults: FaultHistory;
  /** Who did it; undefined if nobody is known to have. */
  readonly culprit: W | undefined;
  /** Whether the culprit is still on this lane. */
  readonly isCulpritHere: boolean;
}

export type FailureVerdict<W> =
  | { readonly next: 'restart'; readonly inMs: number }
  | { readonly next: 'search'; readonly inMs: number }
  | { readonly next: 'quarantine lane' }
  | { readonly next: 'quarantine' | 'place apart'; readonly worker: W; readonly inMs: number }
  /** Not back to the shared lanes, if it was on its way there. */
  | { readonly next: 'keep'; readonly worker: W; readonly inMs: number };

/** @param nowMs monotonic */
export function verdictOn<W extends { readonly faults: FaultHistory }>(
  { kind, isDraining, isAbandoned, isUntraced, faults, culprit, isCulpritHere }: FailureFacts<W>,
  nowMs: number,
): FailureVerdict<W> {
  const isTooOften = culprit !== undefined && isTooMuch(culprit.faults, nowMs);
  if (isDraining) return { next: 'restart', inMs: restartDelayMs(faults, false) };
  if (kind === 'dedicated') {
    if (isAbandoned || isTooOften || isTooMuch(faults, nowMs)) return { next: 'quarantine lane' };
    return { next: 'restart', inMs: restartDelayMs(faults, false) };
  }
  const inMs = restartDelayMs(faults, true);
  if (isUntraced) return { next: 'search', inMs };
  if (culprit === undefined || !isCulpritHere) return { next: 'restart', inMs };
  // What was wrong with the lane leaves it.
  if (isAbandoned || (kind === 'penalty' && isTooOften)) return { next: 'quarantine', worker: culprit, inMs: 0 };
  if (kind === 'shared') return { next: 'place apart', worker: culprit, inMs: 0 };
  return { next: 'keep', worker: culprit, inMs };
}
