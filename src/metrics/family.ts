/** Metric families and their series: what the readers of `workers/` and `master/` hand over to exposition and export. */

/**
 * The types of OpenMetrics 1.0 that Pulselane uses. In the text formats of Prometheus, `info` and `stateset` are gauges.
 * See https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'info' | 'stateset';

export interface Family {
  /** Without the suffix of its type (`_total`, `_info`, `_bucket`), but with that of its unit. */
  readonly name: string;
  readonly type: FamilyType;
  /** The name's suffix, in base units: `seconds`, `bytes`, `ratio`, `celsius`, `watts`; absent for plain numbers. */
  readonly unit?: string;
  /** One sentence. */
  readonly help: string;
  /** Of statesets: the label that holds the state; absent: `state`. */
  readonly stateLabel?: string;
}

/** The suffix of a family's only series; none for the others. */
const SUFFIXES: Partial<Readonly<Record<FamilyType, string>>> = { counter: '_total', info: '_info' };

/** As its series are called, and as docs and settings name it; of histograms without what their series add, such as `_bucket`. */
export function describedName({ name, type }: Family): string {
  return name + (SUFFIXES[type] ?? '');
}

export const DEFAULT_STATE_LABEL = 'state';

export type Label = readonly [name: string, value: string];

/** Cumulative counts per upper bound, without +Inf, which is `count`. */
export interface Histogram {
  readonly upperBounds: readonly number[];
  readonly cumulativeCounts: readonly number[];
  readonly count: number;
  readonly sum: number;
  /** The same observations in finer buckets, for formats that have them; absent: there are none. */
  readonly exponential?: ExponentialBuckets;
}

/**
 * Buckets as of Prometheus's native histograms: with base = 2^(2^−schema), bucket i has the observations in
 * (base^(i−1), base^i]. OpenTelemetry numbers the same bucket i−1.
 * See https://prometheus.io/docs/specs/native_histograms/
 */
export interface ExponentialBuckets {
  readonly schema: number;
  /** Observations up to this value are in no bucket, but in `zeroCount`. */
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  /** The number i of the first of `counts`. */
  readonly firstIndex: number;
  /** Not cumulative. The first and the last are not 0; empty: there are no observations above the threshold. */
  readonly counts: readonly number[];
}

/** One series at one time. */
export interface Series {
  readonly labels: readonly Label[];
  readonly value: number | Histogram;
  /** Of counters and histograms: when they began at zero. */
  readonly createdUnixMs?: number;
}

/** A family of the master with all its series. */
export interface FamilyWithSeries {
  readonly family: Family;
  readonly series: readonly Series[];
}
