/**
 * How the master takes this worker's heartbeats: accepted, or refused in band while the stream lives on. A reason is logged
 * once until heartbeats are accepted again; a refusal that names a time to wait is respected.
 *
 * A refusal is told before the acks that cover it, a rejection (`heard`: the worker is alive, its values were not taken)
 * within an ack period, and so possibly after the ack of a heartbeat that is rejected too. After a rejection, one ack
 * proves nothing: only the second one without another rejection between does.
 */
import { type Refusal, RefusalCode } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Report } from '../report.ts';

/** A master that asks for more silence than this is believed no further: the worker would be forgotten. */
export const LONGEST_WAIT_MS = 600_000;

/** A worker whose values are wrong in more ways than these has been told enough. */
const MAX_REASONS = 16;
/** Of rejected values: `cpu_usage is -3` and `cpu_usage is -4` are one reason. */
const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;

const CODE_TEXT: Readonly<Record<number, string>> = {
  [RefusalCode.UNSPECIFIED]: 'refused',
  [RefusalCode.INVALID_ARGUMENT]: 'invalid argument',
  [RefusalCode.NOT_ADMITTED]: 'not admitted',
  [RefusalCode.FAILED_PRECONDITION]: 'failed precondition',
  [RefusalCode.RESOURCE_EXHAUSTED]: 'resource exhausted',
  [RefusalCode.UNAVAILABLE]: 'unavailable',
  [RefusalCode.PERMISSION_DENIED]: 'permission denied',
};

export class Acceptance {
  readonly #clock: Clock;
  readonly #report: Report;
  /** Reasons that were logged; empty while heartbeats are accepted. */
  readonly #told = new Set<string>();
  #refusedSequence = 0;
  /** The last refusal was a rejection of values. */
  #isRejection = false;
  /** The first heartbeat after a rejection that was acknowledged: it may be rejected yet. */
  #unsureSequence: number | undefined;
  #waitUntilMs = 0;
  #master: string | undefined;

  constructor(clock: Clock, report: Report) {
    this.#clock = clock;
    this.#report = report;
  }

  refused({ sequence, code, reason, retryAfterMs, heard }: Refusal): void {
    this.#refusedSequence = Math.max(this.#refusedSequence, Number(sequence));
    this.#waitUntilMs = this.#clock.monotonicMs() + Math.min(retryAfterMs, LONGEST_WAIT_MS);
    this.#isRejection = heard;
    this.#unsureSequence = undefined;
    const refusal = `${CODE_TEXT[code] ?? `code ${code}`}: ${reason}`;
    const kind = heard ? refusal.replaceAll(NUMBER, '#') : refusal;
    if (this.#told.has(kind) || this.#told.size >= MAX_REASONS) return;
    this.#told.add(kind);
    this.#report(
      'warn',
      heard ? `the master rejects the values of heartbeats: ${refusal}` : `the master refuses heartbeats: ${refusal}`,
    );
  }

  /** An ack covers refused heartbeats too: only one beyond the last refusal means that things are well again. */
  accepted(sequence: number): void {
    if (this.#told.size === 0 || sequence <= this.#refusedSequence) return;
    if (this.#isRejection && (this.#unsureSequence === undefined || sequence <= this.#unsureSequence)) {
      this.#unsureSequence ??= sequence;
      return;
    }
    this.#told.clear();
    this.#unsureSequence = undefined;
    this.#waitUntilMs = 0;
    this.#report('info', 'the master accepts heartbeats again');
  }

  mustWait(): boolean {
    return this.#clock.monotonicMs() < this.#waitUntilMs;
  }

  /**
   * A new connection is a new try. Sequences go on, and what the same master refused before is not told twice; what
   * another one refused says nothing of this one.
   */
  reconnected(master: string): void {
    this.#waitUntilMs = 0;
    if (master !== this.#master) this.#told.clear();
    this.#master = master;
  }
}
