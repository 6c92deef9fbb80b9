/** Blocking queries: each waits until its result changes or its time is over. */
import type { Clock } from '../../lib/clock.ts';
import { MAX_WAITING, MAX_WAITING_PER_CLIENT, WAIT_JITTER } from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import type { View } from './view.ts';

interface Waiter {
  readonly view: View;
  readonly sentTo: number;
  readonly end: () => void;
}

export interface Wait {
  readonly view: View;
  /** The index of the request. */
  readonly sentTo: number;
  readonly waitMs: number;
  /** The longest wait, random part included. */
  readonly mostMs: number;
  readonly signal: AbortSignal;
  /** Undefined: no per-client limit applies. */
  readonly client: string | undefined;
}

export class BlockingQueries {
  readonly #clock: Clock;
  readonly #byClient = new Map<string | undefined, number>();
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Resolves when the view changes after `sentTo` (which is not below its horizon), when `waitMs` and a random part of it
   * have passed, when `mostMs` has passed, or when `signal` aborts.
   * @throws LimitReached if too many queries wait, in total or for this client
   */
  async wait({ view, sentTo, waitMs, mostMs, signal, client }: Wait): Promise<void> {
    if (signal.aborted) return;
    if (this.#waiters.size >= MAX_WAITING) {
      throw new LimitReached(
        'resource_exhausted',
        'waiting',
        `too many blocking queries: ${MAX_WAITING} are already waiting`,
      );
    }
    const ofClient = this.#byClient.get(client) ?? 0;
    if (client !== undefined && ofClient >= MAX_WAITING_PER_CLIENT) {
      const detail = `too many blocking queries: ${MAX_WAITING_PER_CLIENT} of this client are already waiting`;
      throw new LimitReached('rate_limited', 'waiting_per_client', detail);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { view, sentTo, end: resolve };
    this.#waiters.add(waiter);
    this.#byClient.set(client, ofClient + 1);
    const timer = this.#clock.after(Math.min(mostMs, waitMs * (1 + Math.random() * WAIT_JITTER)), resolve);
    signal.addEventListener('abort', waiter.end, { once: true });
    await promise;
    timer.cancel();
    signal.removeEventListener('abort', waiter.end);
    this.#waiters.delete(waiter);
    const left = (this.#byClient.get(client) ?? 1) - 1;
    if (left === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, left);
  }

  /** Answers the queries whose results have changed. */
  look(): void {
    for (const { view, sentTo, end } of this.#waiters) if (view.changedAt > sentTo) end();
  }

  /** Answers all queries. */
  stop(): void {
    for (const { end } of this.#waiters) end();
  }
}
