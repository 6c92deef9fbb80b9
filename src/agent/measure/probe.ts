/** One thing that is measured again and again: its newest value, and one line when it begins or ceases to fail. */
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Report } from '../report.ts';

export interface ProbeOptions<T> {
  /** For people: "memory". */
  readonly name: string;
  readonly measure: () => Promise<T>;
  readonly clock: Clock;
  readonly report: Report;
}

export class Probe<T> {
  readonly #options: ProbeOptions<T>;
  #newest: T | undefined;
  #underWay: Promise<void> | undefined;
  #failing = false;

  constructor(options: ProbeOptions<T>) {
    this.#options = options;
  }

  /** What was measured last; undefined before the first value, and while measuring fails. */
  get newest(): T | undefined {
    return this.#newest;
  }

  /** Measures anew and resolves when that is done, at the latest after `withinMs`. Never rejects. */
  async refresh(withinMs: number): Promise<T | undefined> {
    const underWay = this.refreshInBackground();
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(withinMs, resolve);
    await Promise.race([underWay, timeout]);
    timer.cancel();
    return this.#newest;
  }

  /** Joins a measurement that is still under way: a probe that hangs must not pile up. */
  refreshInBackground(): Promise<void> {
    this.#underWay ??= this.#measure().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #measure(): Promise<void> {
    const { name, measure, report } = this.#options;
    try {
      this.#newest = await measure();
      if (this.#failing) report('info', `${name} is measured again`);
      this.#failing = false;
    } catch (error) {
      this.#newest = undefined;
      if (!this.#failing) report('warn', `${name} cannot be measured and is reported as 0: ${messageOf(error)}`);
      this.#failing = true;
    }
  }
}
