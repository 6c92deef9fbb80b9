/** What one query may take: values read, values kept, time; and whether somebody still waits for it. */
import type { Clock } from '../../lib/clock.ts';
import { QueryProblem } from './problem.ts';

/** Some seconds of reading: an hour of 10,000 workers with 4 metrics. */
export const MAX_VALUES_READ = 50_000_000;
/** For percentiles, each takes 8 bytes, and twice that while lists grow. */
export const MAX_VALUES_KEPT = 8_000_000;
/** About 12 MB of JSON. */
export const MAX_ANSWER_POINTS = 100_000;
/** Someone who waits longer has left, and a smaller range or a coarser step answers sooner. */
export const QUERY_TIME_MS = 10_000;

export class Budget {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #endMs: number;
  #read = 0;
  #kept = 0;
  #points = 0;
  #isCancelled = false;

  constructor(clock: Pick<Clock, 'monotonicMs'>, timeMs = QUERY_TIME_MS) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + timeMs;
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    this.#isCancelled = true;
  }

  read(values: number): void {
    this.#read += values;
  }

  keep(values: number): void {
    this.#kept += values;
  }

  /** @throws QueryProblem if the answer becomes too large */
  answer(points: number): void {
    this.#points += points;
    if (this.#points <= MAX_ANSWER_POINTS) return;
    throw new QueryProblem(
      'too_large',
      `the answer would have more than ${MAX_ANSWER_POINTS} points: ask for fewer workers or metrics, a larger step, or an aggregate over workers`,
    );
  }

  /** Checked between parts of the work. */
  get isOver(): boolean {
    return this.#problem !== undefined;
  }

  /** @throws QueryProblem if the query must end */
  check(): void {
    const problem = this.#problem;
    if (problem !== undefined) throw problem;
  }

  get #problem(): QueryProblem | undefined {
    if (this.#isCancelled) return new QueryProblem('unavailable', 'the query was cancelled');
    if (this.#read > MAX_VALUES_READ) {
      return new QueryProblem(
        'too_large',
        `the query would read more than ${MAX_VALUES_READ} values: ask for a shorter range, fewer workers or metrics, or a step of 1m or 1h`,
      );
    }
    if (this.#kept > MAX_VALUES_KEPT) {
      return new QueryProblem(
        'too_large',
        `percentiles would need more than ${MAX_VALUES_KEPT} values at once: ask for fewer workers, metrics or steps`,
      );
    }
    if (this.#clock.monotonicMs() > this.#endMs) {
      return new QueryProblem(
        'resource_exhausted',
        'the query took too long: ask for a shorter range, fewer workers or metrics, or a step of 1m or 1h',
      );
    }
    return undefined;
  }
}
