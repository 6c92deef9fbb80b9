/** Blocking queries: each waits for a change of what it asked for, or for the end of its time. */
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { MAX_WAITING, WAIT_JITTER } from '../limits.ts';
import type { View } from './view.ts';

interface Waiter {
  readonly view: View;
  readonly counter: number;
  readonly end: () => void;
}

export class Waiting {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Resolves once the view changed after `counter`, which it knows of; when `waitMs` and a random part of it have passed; or
   * when `signal` says that nobody wants to know any more.
   * @throws PulselaneError `resource_exhausted` if too many wait.
   */
  async wait(view: View, counter: number, waitMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (this.#waiters.size >= MAX_WAITING) {
      throw new PulselaneError('resource_exhausted', `${MAX_WAITING} blocking queries are waiting already`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { view, counter, end: resolve };
    this.#waiters.add(waiter);
    const timer = this.#clock.after(waitMs * (1 + Math.random() * WAIT_JITTER), resolve);
    signal.addEventListener('abort', waiter.end, { once: true });
    await promise;
    timer.cancel();
    signal.removeEventListener('abort', waiter.end);
    this.#waiters.delete(waiter);
  }

  /** Answers those for whom something changed. */
  look(): void {
    for (const { view, counter, end } of this.#waiters) if (view.changedAt > counter) end();
  }

  /** Answers all. */
  stop(): void {
    for (const { end } of this.#waiters) end();
  }
}
