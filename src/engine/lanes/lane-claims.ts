/**
 * Validates the messages of a lane's thread, which main does not trust. A message is valid only if it is well-formed,
 * comes at a permitted time, and concerns a worker that this thread was given and has not left.
 */
import type { FromLane } from '../../lane/messages.ts';
import type { FaultCause } from '../../model/lanes.ts';
import { METRIC_TEXT_BYTES } from '../../store/layout.ts';
import { successorProblem } from '../../store/slot-memory.ts';
import type { SlotReader } from '../../store/slot-reader.ts';

/** What the thread was given: the workers that its messages may concern. */
export interface GivenToLane {
  /** Whether it has sent `ready`, which must be its first message and occur once. */
  readonly isReady: boolean;
  /** The worker at the row that it serves, or was told to leave and has not left yet. */
  workerAt(row: number, occupant: number): { readonly slot: SlotReader } | undefined;
  /** The row that it must leave next; undefined if none. */
  readonly nextToLeave: number | undefined;
  /** Maximum size of a slot that it may create. */
  readonly maxSlotBytes: number;
}

/** Causes that a thread may report; main detects the others. */
const TOLD_CAUSES: ReadonlySet<unknown> = new Set<FaultCause>(['crash', 'memory']);

type Claim = { readonly [Type in FromLane as Type['type']]: { readonly [Name in keyof Type]: unknown } };

/** @returns what is wrong with the message, as readable text; undefined if it is valid */
export function claimProblem(message: unknown, given: GivenToLane): string | undefined {
  if (typeof message !== 'object' || message === null) return 'it sent an invalid message';
  const claim = message as Claim[keyof Claim];
  switch (claim.type) {
    case 'ready':
      return given.isReady ? 'it sent "ready" twice' : undefined;
    case 'grown':
      return given.isReady ? grownProblem(claim as Claim['grown'], given) : NOT_READY;
    case 'accepted':
      return given.isReady ? acceptedProblem(claim as Claim['accepted'], given) : NOT_READY;
    case 'left':
      if (!given.isReady) return NOT_READY;
      return given.nextToLeave !== undefined && (claim as Claim['left']).slot === given.nextToLeave
        ? undefined
        : 'it sent "left" for a worker that it was not told to leave';
    case 'failed':
      return failedProblem(claim as Claim['failed']);
    default:
      return 'it sent an invalid message';
  }
}

const NOT_READY = 'it sent a message about a worker before "ready"';

function grownProblem({ slot: row, occupant, memory }: Claim['grown'], given: GivenToLane): string | undefined {
  const worker = typeof row === 'number' && typeof occupant === 'number' ? given.workerAt(row, occupant) : undefined;
  if (worker === undefined) return 'it sent a slot for a worker that it does not serve';
  const problem = successorProblem(memory, worker.slot.memory, given.maxSlotBytes);
  return problem === undefined ? undefined : `it sent an invalid slot: ${problem}`;
}

function acceptedProblem({ slot, occupant, metric, value, wasUsual }: Claim['accepted'], given: GivenToLane) {
  const isServed = typeof slot === 'number' && typeof occupant === 'number' && given.workerAt(slot, occupant);
  if (!isServed) return 'it sent "accepted" for a worker that it does not serve';
  const isKey = typeof metric === 'string' && metric.length <= METRIC_TEXT_BYTES;
  const isWhole = isKey && typeof value === 'number' && typeof wasUsual === 'number';
  return isWhole ? undefined : 'it sent an invalid "accepted" message';
}

/** The named worker is checked when the thread has ended: a worker that it has left may still cause a late failure. */
function failedProblem({ cause, reason, slot, occupant }: Claim['failed']): string | undefined {
  const isNumberOrNone = (value: unknown) => value === undefined || typeof value === 'number';
  const isWhole =
    TOLD_CAUSES.has(cause) && typeof reason === 'string' && isNumberOrNone(slot) && isNumberOrNone(occupant);
  return isWhole ? undefined : 'it sent an invalid "failed" message';
}
