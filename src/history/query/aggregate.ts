/** Functions that make one value of many: over workers, or over the samples of a step. */

export const AGGREGATES = ['avg', 'min', 'max', 'sum', 'p50', 'p95', 'p99', 'count'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

const SHARES: Readonly<Partial<Record<Aggregate, number>>> = { p50: 0.5, p95: 0.95, p99: 0.99 };

/** Percentiles need every value; all others need only what {@link Steps} keeps. */
export function isPercentile(aggregate: Aggregate): boolean {
  return SHARES[aggregate] !== undefined;
}

export interface Summary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly sum: number;
  /** Above 0. */
  readonly count: number;
}

/**
 * @param values all of them, in any order, for percentiles: they are sorted in place
 */
export function aggregated(
  aggregate: Aggregate,
  { min, max, mean, sum, count }: Summary,
  values: Float64Array,
): number {
  switch (aggregate) {
    case 'avg':
      return mean;
    case 'min':
      return min;
    case 'max':
      return max;
    case 'sum':
      return sum;
    case 'count':
      return count;
    case 'p50':
    case 'p95':
    case 'p99':
      return percentile(values.sort(), SHARES[aggregate] as number);
    default:
      return aggregate satisfies never;
  }
}

/**
 * The smallest value that at least this share of all values do not exceed (nearest rank), as in the figures of the fleet: it
 * is always one of the values.
 * @param sorted ascending, not empty
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}
