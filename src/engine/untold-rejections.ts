/**
 * Rejections by lanes that were not reported to their senders yet. A heartbeat is accepted before its lane decodes it,
 * so the sender learns of a rejection with a later answer. Nothing is queued: the worker's slot counts rejections and
 * holds the newest reason, and main keeps the number of reported ones. Any number of rejections becomes one notice.
 */
import { printable } from '../lib/printable.ts';
import type { RejectionCause } from '../model/lanes.ts';
import { isUpTo } from './workers/mailbox.ts';
import type { Roster, RosterEntry } from './workers/roster.ts';

export interface UntoldRejection {
  /** Cause of the newest rejection. */
  readonly cause: RejectionCause;
  /** One line of text; may contain a processor's own text. */
  readonly reason: string;
  /** 0 = unknown. */
  readonly sequence: number;
  /** Number of rejections in this notice. */
  readonly count: number;
}

export class UntoldRejections {
  readonly #roster: Pick<Roster, 'get'>;

  constructor(roster: Pick<Roster, 'get'>) {
    this.#roster = roster;
  }

  /** The sender of the worker's last accepted heartbeat is informed now why its lane will reject it. */
  foretold(workerId: string): void {
    const entry = this.#roster.get(workerId);
    if (entry !== undefined) entry.refusedOrdinal = entry.mailbox.kept;
  }

  /** The notice for the worker's sender, returned once; undefined if there is none. */
  take(workerId: string): UntoldRejection | undefined {
    const entry = this.#roster.get(workerId);
    if (entry === undefined || entry.slot.rejected === entry.rejectionsTold) return undefined;
    return this.#takeOf(entry);
  }

  #takeOf(entry: RosterEntry): UntoldRejection | undefined {
    const { rejected } = entry.slot;
    const count = (rejected - entry.rejectionsTold) >>> 0;
    entry.rejectionsTold = rejected;
    const rejection = entry.slot.lastRejection();
    if (rejection === undefined) return undefined;
    const { cause, reason, sequence, ordinal } = rejection;
    if (entry.refusedOrdinal !== 0 && isUpTo(ordinal, entry.refusedOrdinal)) return undefined;
    return { cause, reason: printable(reason), sequence, count };
  }
}
