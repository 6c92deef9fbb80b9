/**
 * The brake on mass failure: when most of a group falls silent at once, it is rather the way to the group, or this master,
 * that failed. Judgement of the group stops until the group is heard again, an operator says so, or the longest hold is
 * over, since a rack that lost its power must not look alive for ever.
 *
 *     off ──most fall silent──► held ──most are back, an operator, or the longest hold──► off
 */

/** Share of a group that falls silent within one inactivity timeout; that of Kubernetes' node controller. */
const SILENT_PERCENT = 55;
/** Fewer than these are no mass. */
export const LEAST_SILENT = 3;
/** Held until no more than this share is silent: the others are on their way back. */
const BACK_PERCENT = SILENT_PERCENT / 2;

export interface GroupFacts {
  /** Workers that were alive within the last inactivity timeout. */
  readonly watched: number;
  /** Of them, those that fell silent without a farewell. */
  readonly silent: number;
  /** Since when the brake is held; undefined: it is not. */
  readonly heldSinceMs: number | undefined;
}

export type BrakeDecision = 'off' | 'engage' | 'hold' | 'heard again' | 'longest hold over';

export function decideBrake(
  { watched, silent, heldSinceMs }: GroupFacts,
  nowMs: number,
  maxHoldMs: number,
): BrakeDecision {
  if (heldSinceMs === undefined) {
    return silent >= LEAST_SILENT && 100 * silent >= SILENT_PERCENT * watched ? 'engage' : 'off';
  }
  if (nowMs - heldSinceMs > maxHoldMs) return 'longest hold over';
  return 100 * silent <= BACK_PERCENT * watched ? 'heard again' : 'hold';
}
