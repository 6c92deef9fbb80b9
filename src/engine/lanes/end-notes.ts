/** Notes why a lane's thread is about to end, from its own report and from main's observations, until it has ended. */
import type { FromLane } from '../../lane/messages.ts';
import { MAX_FOREIGN_TEXT, shortText } from '../../lib/foreign-text.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import type { FaultCause } from '../../model/lanes.ts';
import type { Place } from '../../store/lane-ledger.ts';

/** Maximum length of a thread's report: foreign text plus our words around it. */
const MAX_REASON = 2 * MAX_FOREIGN_TEXT;

type Report = Extract<FromLane, { type: 'failed' }>;

export interface EndCause {
  readonly cause: FaultCause;
  /** Readable text. */
  readonly reason: string;
  /** The worker named by the thread or by main; undefined: none. */
  readonly named: Place | undefined;
}

export class EndNotes {
  /** The thread's own report of its end, which follows shortly. */
  #report: Report | undefined;
  /** Why main is ending the thread. */
  #endingFor: FaultCause | undefined;
  /** The worker for which memory grew, as observed by main. */
  #accused: Place | undefined;

  /** Whether main is ending the thread. */
  get isEnding(): boolean {
    return this.#endingFor !== undefined;
  }

  /** Main ends the thread. @param accused the worker for which memory grew; undefined: another cause, or unknown */
  endFor(cause: FaultCause, accused: Place | undefined): void {
    this.#endingFor = cause;
    this.#accused = accused;
  }

  /** The thread reports its end. @returns the reason as readable text, cut to the maximum length */
  report(report: Report): string {
    const reason = shortText(report.reason, MAX_REASON);
    this.#report = { ...report, reason };
    return reason;
  }

  /** The thread has ended: returns the cause and clears the notes. @param heapMib the thread's heap limit */
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
    const whole = abandoned ? `${reason}; its thread does not terminate and is abandoned` : reason;
    return { cause: cause ?? (how === 'exited' ? 'exit' : 'crash'), reason: whole, named };
  }
}
