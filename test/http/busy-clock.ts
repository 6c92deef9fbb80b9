/** A clock by which work takes time: each look at it does. */
import { FakeClock } from '../support/fake-clock.ts';
import { NOW_S } from './support.ts';

export class BusyClock extends FakeClock {
  costMs: number;
  #spentMs = 0;

  constructor(costMs: number) {
    super(NOW_S * 1000);
    this.costMs = costMs;
  }

  /** Time passes in which no timer fires. */
  stand(ms: number): void {
    this.#spentMs += ms;
  }

  override monotonicMs(): number {
    this.#spentMs += this.costMs;
    return super.monotonicMs() + this.#spentMs;
  }
}
