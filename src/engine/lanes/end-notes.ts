/** Why a lane's thread is about to end, by what it says and what main sees, until it has ended. */
import type { FromLane } from '../../lane/messages.ts';
import { MAX_FOREIGN_TEXT, shortText } from '../../lib/foreign-text.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import type { FaultCause } from '../../model/lanes.ts';
import type { Place } from '../../store/lane-ledger.ts';

/** Of what a thread says of its end: a foreign text, and words of ours around it. */
const MAX_REASON = 2 * MAX_FOREIGN_TEXT;

type Report = Extract<FromLane, { type: 'failed' }>;

export interface EndCause {
  readonly cause: FaultCause;
  /** For people. */
  readonly reason: string;
  /** Whom the thread itself or main has named; undefined: nobody. */
  readonly named: Place | undefined;
}

export class EndNotes {
  /** What the thread said of its own end, which is about to follow. */
  #report: Report | undefined;
  /** Why it is being ended from here. */
  #endingFor: FaultCause | undefined;
  /** For whom its memory grew, by what main saw. */
  #accused: Place | undefined;

  /** Whether it is being ended from here. */
  get isEnding(): boolean {
    return this.#endingFor !== undefined;
  }

  /** It is being ended from here. @param accused for whom its memory grew; undefined: that is not it, or nobody knows */
  endFor(cause: FaultCause, accused: Place | undefined): void {
    this.#endingFor = cause;
    this.#accused = accused;
  }

  /** It says that it ends. @returns why, for people, no longer than may be kept */
  report(report: Report): string {
    const reason = shortText(report.reason, MAX_REASON);
    this.#report = { ...report, reason };
    return reason;
  }

  /** It has ended: nothing is noted of the next one yet. @param heapMib its limit */
  take({ how, reason, abandoned }: ThreadDeath, heapMib: number): EndCause {
    const [report, endingFor, accused] = [this.#report, this.#endingFor, this.#accused];
    this.#report = undefined;
    this.#endingFor = undefined;
    this.#accused = undefined;
    const hasNamed = report?.slot !== undefined && report.occupant !== undefined;
    const named = hasNamed ? { row: report.slot, occupant: report.occupant } : accused;
    const cause = endingFor ?? report?.cause;
    if (cause === undefined && how === 'out of memory') {
      return { cause: 'memory', reason: `its heap reached the limit of ${heapMib} MiB`, named };
    }
    const whole = abandoned ? `${reason}; its thread does not end and is left behind` : reason;
    return { cause: cause ?? (how === 'exited' ? 'exit' : 'crash'), reason: whole, named };
  }
}
