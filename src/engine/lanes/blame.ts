/**
 * Decides which worker caused a thread's end: pure functions of the thread's report, main's observations and the
 * ledger.
 */
import type { FaultCause } from '../../model/lanes.ts';
import { Hand, type Place } from '../../store/lane-ledger.ts';

export interface LedgerFacts {
  readonly hand: Hand;
  readonly isResting: boolean;
  readonly owner: { readonly row: number; readonly occupant: number };
  /** Whether it has started anything since it was seen stalled. */
  readonly hasMoved: boolean;
}

/**
 * The worker for which the thread ran; undefined if unknown. Between two turns, as with promises that resolve one after
 * another for ever, the thread counts as running for the worker of its last turn. A thread that rests and makes no
 * progress does not receive messages; the worker that caused this need not be the one of its last turn.
 */
export function ranFor(
  { hand, isResting, owner, hasMoved }: LedgerFacts,
  cause: FaultCause,
): LedgerFacts['owner'] | undefined {
  if (hand !== Hand.worker) return undefined;
  return isResting && cause === 'stall' && !hasMoved ? undefined : owner;
}

/** Facts about the end of a thread. */
export interface EndFacts<W> {
  /** The thread was ended because of an invalid message, which no worker caused. */
  readonly isDisbelieved: boolean;
  /** The worker named by the thread or by main; undefined: none. */
  readonly named: Place | undefined;
  /** Workers whose heartbeats are lost with the thread. */
  readonly inHand: readonly W[];
  /** The worker for which the processor ran; undefined: there is no processor, or it had not started. */
  readonly ran: Place | 'nobody known' | undefined;
}

export interface Blame<W> {
  /** Undefined if no worker caused it, or the worker was removed. */
  readonly culprit: W | undefined;
  /** A processor caused it, and the worker is unknown. */
  readonly isUntraced: boolean;
}

/**
 * A named worker is the culprit, even if it was removed: the thread knows best, since an unhandled rejection may come
 * after its heartbeat was processed. Otherwise it is the worker whose heartbeat was in process. A thread processes one
 * heartbeat at a time, so several in process identify nobody.
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
