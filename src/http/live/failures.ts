/** Logs live clients that could not be served: one line at intervals, since it may happen on every poll. */
import { messageOf } from '../../lib/errors.ts';
import { SERVE_FAILURES_LOG_MS } from '../http-limits.ts';

export class ServeFailures {
  readonly #nowMs: () => number;
  readonly #log: (level: 'error', message: string) => void;
  #sinceLine = 0;
  #nextLineMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: () => number, log: (level: 'error', message: string) => void) {
    this.#nowMs = nowMs;
    this.#log = log;
  }

  /** @param kind the client's name in the log */
  failed(kind: string, error: unknown): void {
    this.#sinceLine++;
    const nowMs = this.#nowMs();
    if (nowMs < this.#nextLineMs) return;
    const times = this.#sinceLine === 1 ? '' : ` (${this.#sinceLine} times since the last such line)`;
    this.#log('error', `a live client (${kind}) could not be served${times}: ${messageOf(error)}`);
    this.#sinceLine = 0;
    this.#nextLineMs = nowMs + SERVE_FAILURES_LOG_MS;
  }
}
