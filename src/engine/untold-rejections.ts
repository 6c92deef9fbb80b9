/**
 * What senders have not been told of heartbeats that lanes rejected. A heartbeat is accepted before its lane reads it, so its
 * sender hears of a rejection later, by whatever is answered next. Nothing is queued: the worker's slot counts rejections
 * and holds the newest reason, and main keeps how many of them are told. However many a worker causes, they are one notice.
 */
import { printable } from '../lib/printable.ts';
import type { RejectionCause } from '../model/lanes.ts';
import { isUpTo } from './workers/mailbox.ts';
import type { Roster, RosterEntry } from './workers/roster.ts';

export interface UntoldRejection {
  /** Of the newest. */
  readonly cause: RejectionCause;
  /** One line for people; part of it may be a processor's own words. */
  readonly reason: string;
  /** 0 = not known. */
  readonly sequence: number;
  /** How many it stands for, the newest with the rest. */
  readonly count: number;
}

export class UntoldRejections {
  readonly #roster: Pick<Roster, 'get'>;

  constructor(roster: Pick<Roster, 'get'>) {
    this.#roster = roster;
  }

  /** The sender of the worker's last accepted heartbeat is told now of what its lane will reject it for. */
  foretold(workerId: string): void {
    const entry = this.#roster.get(workerId);
    if (entry !== undefined) entry.refusedOrdinal = entry.mailbox.kept;
  }

  /** What the worker's sender is to be told, once; undefined if there is nothing. */
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
