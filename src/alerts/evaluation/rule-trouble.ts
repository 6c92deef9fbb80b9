/**
 * Whether somebody has to look at a rule: it fails again and again, or none of its subjects has ever had a value. Both look like
 * "nothing fires". Pure.
 */
import { ALWAYS_FAILS_AFTER, NO_VALUE_AFTER_MS } from './evaluation-limits.ts';

/** What one evaluation of the rule came to. */
export interface Outcome {
  readonly unixMs: number;
  readonly monotonicMs: number;
  /** Why it failed; undefined: it did not. */
  readonly failure: string | undefined;
  /** It had subjects that are judged; without any, a missing value says nothing. */
  readonly hasSubjects: boolean;
  /** One of them had what the condition asks for. */
  readonly hasValue: boolean;
}

export interface Trouble {
  readonly sinceUnixMs: number;
  /** Why it fails; undefined: there are no values. */
  readonly failure: string | undefined;
}

export class RuleTrouble {
  readonly #noValueAfterMs: number;
  /** Evaluations in a row that failed, and that did not. */
  #failed = 0;
  #fine = 0;
  #isFailing = false;
  #failure: { readonly sinceUnixMs: number; readonly message: string } | undefined;
  #hasHadValue: boolean;
  #without: { readonly sinceUnixMs: number; readonly sinceMs: number } | undefined;
  #isOverdue = false;

  /** @param longestWindowMs its functions have no value until half of it is over @param expectsValues false: missing ones are no trouble */
  constructor(longestWindowMs: number, expectsValues: boolean) {
    this.#noValueAfterMs = NO_VALUE_AFTER_MS + longestWindowMs;
    this.#hasHadValue = !expectsValues;
  }

  /** Whether values are still looked for. */
  get awaitsValue(): boolean {
    return !this.#hasHadValue;
  }

  add({ unixMs, monotonicMs, failure, hasSubjects, hasValue }: Outcome): void {
    this.#addFailure(unixMs, failure);
    if (hasValue) this.#hasHadValue = true;
    if (this.#hasHadValue || !hasSubjects) {
      this.#without = undefined;
      this.#isOverdue = false;
      return;
    }
    this.#without ??= { sinceUnixMs: unixMs, sinceMs: monotonicMs };
    this.#isOverdue = monotonicMs - this.#without.sinceMs >= this.#noValueAfterMs;
  }

  get now(): Trouble | undefined {
    if (this.#isFailing && this.#failure !== undefined) {
      return { sinceUnixMs: this.#failure.sinceUnixMs, failure: this.#failure.message };
    }
    if (!this.#isOverdue || this.#without === undefined) return undefined;
    return { sinceUnixMs: this.#without.sinceUnixMs, failure: undefined };
  }

  #addFailure(unixMs: number, failure: string | undefined): void {
    if (failure !== undefined) {
      this.#fine = 0;
      this.#failed++;
      this.#failure = { sinceUnixMs: this.#failure?.sinceUnixMs ?? unixMs, message: failure };
      this.#isFailing ||= this.#failed >= ALWAYS_FAILS_AFTER;
      return;
    }
    this.#failed = 0;
    this.#fine++;
    // As many as it took to begin: one that fails in every other evaluation is not told of again and again.
    if (this.#isFailing && this.#fine < ALWAYS_FAILS_AFTER) return;
    this.#isFailing = false;
    this.#failure = undefined;
  }
}
