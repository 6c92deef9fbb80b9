/** What a bench is: a question, answered in rows, at a small size (in the tests) or at full size. */
import type { Row } from './rows.ts';

export interface Sizes {
  /** Fleet sizes of the flow benches. */
  readonly workers: readonly number[];
  /** How long each run measures. */
  readonly seconds: number;
  /** Threads that the lane bench starts. */
  readonly lanes: number;
}

export interface BenchContext {
  readonly sizes: Sizes;
  /** Figures are medians over this many runs. */
  readonly runs: number;
  progress(line: string): void;
}

export interface Bench {
  readonly name: string;
  readonly question: string;
  run(context: BenchContext): Promise<Row[]>;
}

export const FULL: Sizes = { workers: [100, 1000], seconds: 8, lanes: 100 };
/** `--quick`: the same questions, a rough answer. */
export const QUICK: Sizes = { workers: [100], seconds: 2, lanes: 20 };
/** In `npm test`: only that everything still runs. */
export const SMALL: Sizes = { workers: [10], seconds: 1, lanes: 3 };
