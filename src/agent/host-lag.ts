/**
 * How late the host program's event loop runs, seen from the agent's thread: a probe is posted each second and the
 * host answers when its loop comes round. While a probe is unanswered its age is the lag, so that a host which stands
 * still shows while it does, not after.
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

  /** The worst lag since the last call, the probe that is out included. */
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

  /** One probe at a time: a host that stands still must not find a heap of them. */
  #ask(): void {
    if (this.#outstandingSinceMs !== undefined) return;
    this.#outstandingSinceMs = this.#clock.monotonicMs();
    this.#post(++this.#probe);
  }
}
