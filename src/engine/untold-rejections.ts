/**
 * Rejections by lanes that were not reported to their senders yet. A heartbeat is accepted before its lane decodes it,
 * so the sender learns of a rejection with a later answer. Nothing is queued: the worker's slot counts rejections and
 * holds the newest reason, and main keeps the number of reported ones. Any number of rejections becomes one notice.
 *
 * A rejection that the sender was told before the lane had it, on the heartbeat's own call, is `foretold`: main keeps
 * the heartbeat's ordinal until the lane has passed it, and does not count it again.
 */
import { printable } from '../lib/printable.ts';
import type { RejectionCause } from '../model/lanes.ts';
import { isUpTo } from './workers/mailbox.ts';
import type { Roster, RosterEntry } from './workers/roster.ts';

/** The longest queue of a worker, and the one that waits. A limit, since those lost with their lane add up. */
const MAX_FORETOLD = 1025;

export interface UntoldRejection {
  /** Cause of the newest rejection. */
  readonly cause: RejectionCause;
  /** One line of text; may contain a processor's own text. */
  readonly reason: string;
  /** 0 = unknown. */
  readonly sequence: number;
  /** Number of rejections in this notice. */
  readonly count: number;
  /** The sender cannot have received the notice: it becomes part of the next one, or goes to the worker's present stream. */
  giveBack(): void;
}

export class UntoldRejections {
  readonly #roster: Pick<Roster, 'get'>;

  constructor(roster: Pick<Roster, 'get'>) {
    this.#roster = roster;
  }

  /** The sender of the worker's last kept heartbeat is informed now why its lane will reject it. */
  foretold(workerId: string): void {
    const entry = this.#roster.get(workerId);
    if (entry !== undefined) entry.foretold = [...entry.foretold.slice(1 - MAX_FORETOLD), entry.mailbox.kept];
  }

  /** The notice for the worker's sender, returned once; undefined if there is none. */
  take(workerId: string): UntoldRejection | undefined {
    const entry = this.#roster.get(workerId);
    if (entry === undefined || entry.slot.rejected === entry.rejectionsTold) return undefined;
    return this.#takeOf(entry);
  }

  #takeOf(entry: RosterEntry): UntoldRejection | undefined {
    const rejection = entry.slot.lastRejection();
    if (rejection === undefined) return undefined;
    const { cause, reason, sequence, ordinal, index } = rejection;
    // The lane writes the note before it increments the slot's count, so the note's own index counts.
    const newer = (index - entry.rejectionsTold) | 0;
    entry.rejectionsTold = index;
    const before = entry.foretold;
    entry.foretold = before.filter((foretold) => !isUpTo(foretold, ordinal));
    // Some foretold ones may have been lost with their lane instead: the newest counts in any case if it was not foretold.
    const least = before.includes(ordinal) ? 0 : 1;
    const count = Math.max(least, newer - (before.length - entry.foretold.length));
    if (newer <= 0 || count === 0) return undefined;
    const giveBack = (): void => {
      entry.rejectionsTold = (entry.rejectionsTold - count) | 0;
      entry.liveness.via?.rejected?.(entry.workerId);
    };
    return { cause, reason: printable(reason), sequence, count, giveBack };
  }
}

/**
 * After a replacement: forgets that the replaced heartbeat was foretold, because the one that replaced it gets its
 * ordinal.
 */
export function forgetReplaced(entry: Pick<RosterEntry, 'foretold' | 'mailbox'>): void {
  if (entry.foretold.length === 0) return;
  const { kept } = entry.mailbox;
  entry.foretold = entry.foretold.filter((ordinal) => ordinal !== kept);
}
