/**
 * What a lane may say: main believes nothing that a lane's thread tells it beyond this. A message counts only if it has the
 * shape of one, comes when it may come, and speaks of a worker that this very thread was given and has not left.
 */
import type { FromLane } from '../../lane/messages.ts';
import type { FaultCause } from '../../model/lanes.ts';
import { successorProblem } from '../../store/slot-memory.ts';
import type { SlotReader } from '../../store/slot-reader.ts';

/** What the thread was given, as far as its messages may speak of it. */
export interface GivenToLane {
  /** Whether it has said that it is ready: its first message, and no other. */
  readonly isReady: boolean;
  /** The worker that it serves at the row, or has been told to leave and has not. */
  workerAt(row: number, occupant: number): { readonly slot: SlotReader } | undefined;
  /** The row that it must leave next; undefined if it need not leave any. */
  readonly nextToLeave: number | undefined;
  /** The largest slot that it may make. */
  readonly maxSlotBytes: number;
}

/** The other causes are seen from outside. */
const TOLD_CAUSES: ReadonlySet<unknown> = new Set<FaultCause>(['crash', 'memory']);

type Claim = { readonly [Type in FromLane as Type['type']]: { readonly [Name in keyof Type]: unknown } };

/** @returns what is wrong with it, for people; undefined if nothing is */
export function claimProblem(message: unknown, given: GivenToLane): string | undefined {
  if (typeof message !== 'object' || message === null) return 'it said what is no message';
  const claim = message as Claim[keyof Claim];
  switch (claim.type) {
    case 'ready':
      return given.isReady ? 'it said twice that it is ready' : undefined;
    case 'grown':
      return given.isReady ? grownProblem(claim as Claim['grown'], given) : NOT_READY;
    case 'left':
      if (!given.isReady) return NOT_READY;
      return given.nextToLeave !== undefined && (claim as Claim['left']).slot === given.nextToLeave
        ? undefined
        : 'it said that it left a worker that it was not told to leave';
    case 'failed':
      return failedProblem(claim as Claim['failed']);
    default:
      return 'it said what is no message';
  }
}

const NOT_READY = 'it spoke of workers before it was ready';

function grownProblem({ slot: row, occupant, memory }: Claim['grown'], given: GivenToLane): string | undefined {
  const worker = typeof row === 'number' && typeof occupant === 'number' ? given.workerAt(row, occupant) : undefined;
  if (worker === undefined) return 'it gave a slot to a worker that it does not serve';
  const problem = successorProblem(memory, worker.slot.memory, given.maxSlotBytes);
  return problem === undefined ? undefined : `it gave a worker a slot that cannot be one: ${problem}`;
}

/** Whom it names is looked at when it has ended: a worker that it has left may still fail, late. */
function failedProblem({ cause, reason, slot, occupant }: Claim['failed']): string | undefined {
  const isNumberOrNone = (value: unknown) => value === undefined || typeof value === 'number';
  const isWhole =
    TOLD_CAUSES.has(cause) && typeof reason === 'string' && isNumberOrNone(slot) && isNumberOrNone(occupant);
  return isWhole ? undefined : 'it said of its end what is no message';
}
