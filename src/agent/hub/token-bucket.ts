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

  /** Takes them in any case: with fewer there is a debt, which is paid before there are tokens again. */
  spend(count: number): void {
    this.#tokens -= count;
  }

  has(count = 1): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { perS, atOnce } = this.#options;
    this.#tokens = Math.min(atOnce, this.#tokens + ((nowMs - this.#filledAtMs) * perS) / 1000);
    this.#filledAtMs = nowMs;
    return this.#tokens >= count;
  }
}
