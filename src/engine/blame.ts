/** For whom a thread ran that was ended, or ended itself: a pure function of what its ledger says. */
import type { FaultCause } from '../model/lanes.ts';
import { Hand } from '../store/lane-ledger.ts';

export interface LedgerFacts {
  readonly hand: Hand;
  readonly isResting: boolean;
  readonly owner: { readonly row: number; readonly occupant: number };
  /** Whether it has begun anything since it was seen to stand still. */
  readonly hasMoved: boolean;
}

/**
 * Undefined if that cannot be told. A thread is as good as running for the worker of its last turn when it is between two
 * turns, as of promises that follow each other for ever. One that rests and makes no progress does not hear: whoever made it
 * deaf need not be the last it heard of.
 */
export function ranFor(
  { hand, isResting, owner, hasMoved }: LedgerFacts,
  cause: FaultCause,
): LedgerFacts['owner'] | undefined {
  if (hand !== Hand.worker) return undefined;
  return isResting && cause === 'stall' && !hasMoved ? undefined : owner;
}
