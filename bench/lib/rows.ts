/** What a bench yields: rows of one figure each, for machines (`--json`) and for people (the table). */

export interface Row {
  /** Stable: listed in bench/README.md. */
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The most (or, where the question says so, the least) that is good enough; null where the figure is only reported. */
  readonly goal: number | null;
  /** Whether the median meets the goal; null without one. */
  readonly ok: boolean | null;
}

export interface Question {
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  readonly goal?: number;
}

/** One row of the values that several runs gave for one question. */
export function rowOf({ id, question, unit, goal }: Question, runs: readonly number[]): Row {
  const sorted = [...runs].sort((a, b) => a - b);
  const median = percentile(sorted, 50);
  return {
    id,
    question,
    unit,
    median,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
    goal: goal ?? null,
    ok: goal === undefined ? null : median <= goal,
  };
}

/** The value below which `percent` of the ascending values lie: the nearest rank. */
export function percentile(ascending: readonly number[], percent: number): number {
  if (ascending.length === 0) throw new Error('a percentile of nothing');
  const rank = Math.max(1, Math.ceil((percent / 100) * ascending.length));
  return ascending[rank - 1] as number;
}

/** p50 and p99 of one run's values. */
export function p50p99(values: readonly number[]): { p50: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99) };
}
