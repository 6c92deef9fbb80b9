/**
 * How the master takes this worker's heartbeats: accepted, or refused in band while the stream lives on. Told once per
 * change; a refusal that names a time to wait is respected.
 */
import { type Refusal, RefusalCode } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Report } from '../report.ts';

/** A master that asks for more silence than this is believed no further: the worker would be forgotten. */
export const LONGEST_WAIT_MS = 600_000;

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
  /** Code and reason of the refusal that holds; undefined while heartbeats are accepted. */
  #refusal: string | undefined;
  #refusedSequence = 0;
  #waitUntilMs = 0;
  #master: string | undefined;

  constructor(clock: Clock, report: Report) {
    this.#clock = clock;
    this.#report = report;
  }

  refused({ sequence, code, reason, retryAfterMs }: Refusal): void {
    this.#refusedSequence = Math.max(this.#refusedSequence, Number(sequence));
    this.#waitUntilMs = this.#clock.monotonicMs() + Math.min(retryAfterMs, LONGEST_WAIT_MS);
    const refusal = `${CODE_TEXT[code] ?? `code ${code}`}: ${reason}`;
    if (refusal !== this.#refusal) this.#report('warn', `the master refuses heartbeats: ${refusal}`);
    this.#refusal = refusal;
  }

  /** An ack covers refused heartbeats too: only one beyond the last refusal means that things are well again. */
  accepted(sequence: number): void {
    if (this.#refusal === undefined || sequence <= this.#refusedSequence) return;
    this.#refusal = undefined;
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
    if (master !== this.#master) this.#refusal = undefined;
    this.#master = master;
  }
}
