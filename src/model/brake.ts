/**
 * The brake on mass failure: when most of a group goes silent at the same time, the network to the group, or this
 * master, has probably failed. The group is not judged until most of it reports again, an operator releases the brake,
 * or the maximum hold time has passed, since a rack that lost its power must not look alive for ever.
 *
 *     off ──most go silent──► held ──most are back, an operator, or the maximum hold time──► off
 */

/** Share of a group that goes silent within one inactivity timeout; the threshold of Kubernetes' node controller. */
const SILENT_PERCENT = 55;
/** Minimum number of silent workers. */
export const LEAST_SILENT = 3;
/** The brake is released when at most this share is silent: the others are then expected to follow. */
const BACK_PERCENT = SILENT_PERCENT / 2;

export interface GroupFacts {
  /** Workers that were alive within the last inactivity timeout. */
  readonly watched: number;
  /** Of these, workers that went silent without a farewell. */
  readonly silent: number;
  /** When the brake was engaged; undefined: it is not engaged. */
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
  return isMostlyBack({ watched, silent }) ? 'heard again' : 'hold';
}

/** Whether so few are silent that the others are expected to follow. */
export function isMostlyBack({ watched, silent }: Pick<GroupFacts, 'watched' | 'silent'>): boolean {
  return 100 * silent <= BACK_PERCENT * watched;
}
