/** A rate with room for bursts: a bucket of `atOnce` tokens, to which `perS` flow each second. */
import type { Clock } from '../../lib/clock.ts';

export interface BucketOptions {
  readonly perS: number;
  readonly atOnce: number;
}

export class TokenBucket {
  readonly #clock: Clock;
  readonly #options: BucketOptions;
  #tokens: number;
  #filledAtMs: number;

  constructor(clock: Clock, options: BucketOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#tokens = options.atOnce;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Takes `count` tokens if there are as many. */
  take(count = 1): boolean {
    if (!this.has(count)) return false;
    this.#tokens -= count;
    return true;
  }

  has(count = 1): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { perS, atOnce } = this.#options;
    this.#tokens = Math.min(atOnce, this.#tokens + ((nowMs - this.#filledAtMs) * perS) / 1000);
    this.#filledAtMs = nowMs;
    return this.#tokens >= count;
  }
}
