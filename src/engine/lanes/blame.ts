/** Whose doing it is that a thread ended: pure functions of what it said, what main saw, and its ledger. */
import type { FaultCause } from '../../model/lanes.ts';
import { Hand, type Place } from '../../store/lane-ledger.ts';

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

/** What is known of an end. */
export interface EndFacts<W> {
  /** The thread was ended for what it said itself, which no worker has a part in. */
  readonly isDisbelieved: boolean;
  /** Whom the thread itself or main has named; undefined: nobody. */
  readonly named: Place | undefined;
  /** Whose heartbeats are lost with the thread. */
  readonly inHand: readonly W[];
  /** For whom its processor ran; undefined: it has none, or had not begun. */
  readonly ran: Place | 'nobody known' | undefined;
}

export interface Blame<W> {
  /** Undefined if nobody did it, or if he is gone. */
  readonly culprit: W | undefined;
  /** It was a processor's doing, and nothing tells for which worker. */
  readonly isUntraced: boolean;
}

/**
 * Who is named is it, and nobody in his stead if he is gone: the thread knows better, since a rejection may come after its
 * heartbeat is done. Else it is the one in hand; a thread does one thing at a time, so that several in hand tell nothing.
 */
export function blameFor<W>(
  { isDisbelieved, named, inHand, ran }: EndFacts<W>,
  workerAt: (row: number, occupant: number) => W | undefined,
): Blame<W> {
  if (isDisbelieved) return { culprit: undefined, isUntraced: false };
  if (named !== undefined) return { culprit: workerAt(named.row, named.occupant), isUntraced: false };
  if (inHand.length === 1) return { culprit: inHand[0], isUntraced: false };
  if (ran === 'nobody known') return { culprit: undefined, isUntraced: true };
  return { culprit: ran && workerAt(ran.row, ran.occupant), isUntraced: false };
}
