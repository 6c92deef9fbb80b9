/**
 * The lag of the host program's event loop, measured from the agent's thread: a probe is posted each second, and the
 * host answers it in its event loop. The age of an unanswered probe counts, so that a blocked host
 * is seen while it is blocked, not afterwards.
 */
import type { Clock, Timer } from '../lib/clock.ts';

const PROBE_EVERY_MS = 1_000;

export class HostLag {
  readonly #clock: Clock;
  readonly #post: (probe: number) => void;
  readonly #timer: Timer;
  #probe = 0;
  #outstandingSinceMs: number | undefined;
  #worstMs = 0;

  constructor(clock: Clock, post: (probe: number) => void) {
    this.#clock = clock;
    this.#post = post;
    this.#timer = clock.every(PROBE_EVERY_MS, () => this.#ask());
    this.#ask();
  }

  answered(probe: number): void {
    if (probe !== this.#probe || this.#outstandingSinceMs === undefined) return;
    this.#worstMs = Math.max(this.#worstMs, this.#clock.monotonicMs() - this.#outstandingSinceMs);
    this.#outstandingSinceMs = undefined;
  }

  /** The worst lag since the last call, an unanswered probe included. */
  takeMs(): number {
    const since = this.#outstandingSinceMs;
    const outstandingMs = since === undefined ? 0 : this.#clock.monotonicMs() - since;
    const worstMs = Math.max(this.#worstMs, outstandingMs);
    this.#worstMs = 0;
    return worstMs;
  }

  stop(): void {
    this.#timer.cancel();
  }

  /** One probe at a time: they must not pile up in a blocked host. */
  #ask(): void {
    if (this.#outstandingSinceMs !== undefined) return;
    this.#outstandingSinceMs = this.#clock.monotonicMs();
    this.#post(++this.#probe);
  }
}
