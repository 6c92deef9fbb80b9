/**
 * Decides what happens after a running lane's thread has ended: a pure function of the facts.
 *
 * | the lane serves | condition                                                           | result                         |
 * |-----------------|---------------------------------------------------------------------|--------------------------------|
 * | any number      | it is draining                                                      | restart                        |
 * | one worker      | the thread does not end, or {@link MAX_FAULTS} failures             | quarantine of the lane         |
 * |                 | otherwise                                                           | restart                        |
 * | several         | a processor caused it, the worker is unknown                        | search                         |
 * |                 | no worker caused it, or the culprit is on another lane by now       | restart                        |
 * |                 | the thread does not end; or, on the penalty lane,                   | quarantine of the culprit      |
 * |                 | {@link MAX_FAULTS} failures of the culprit                          |                                |
 * |                 | otherwise, on a shared lane                                         | the culprit is moved out       |
 * |                 | otherwise, on the penalty lane                                      | restart; the culprit stays     |
 *
 * Failures count for a minute. A lane that the culprit has left is restarted at once.
 */
import type { LaneKind } from '../../model/lanes.ts';
import { type FaultHistory, isTooMuch, restartDelayMs } from './fault-history.ts';

export interface FailureFacts<W> {
  readonly kind: LaneKind;
  readonly isDraining: boolean;
  /** The thread did not end and may still run. */
  readonly isAbandoned: boolean;
  /** A processor caused it, and the worker is unknown. */
  readonly isUntraced: boolean;
  /** Failures of the lane, including this one. */
  readonly faults: FaultHistory;
  /** The worker that caused it; undefined if unknown or none. */
  readonly culprit: W | undefined;
  /** Whether the culprit is still on this lane. */
  readonly isCulpritHere: boolean;
}

export type FailureVerdict<W> =
  | { readonly next: 'restart'; readonly inMs: number }
  | { readonly next: 'search'; readonly inMs: number }
  | { readonly next: 'quarantine lane' }
  | { readonly next: 'quarantine' | 'place apart'; readonly worker: W; readonly inMs: number }
  /** The worker stays on the penalty lane, even if it was on its way back to the shared lanes. */
  | { readonly next: 'keep'; readonly worker: W; readonly inMs: number };

/** @param nowMs monotonic time */
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
  // The culprit takes the lane's problem with it.
  if (isAbandoned || (kind === 'penalty' && isTooOften)) return { next: 'quarantine', worker: culprit, inMs: 0 };
  if (kind === 'shared') return { next: 'place apart', worker: culprit, inMs: 0 };
  return { next: 'keep', worker: culprit, inMs };
}
