/**
 * What history keeps of heartbeats, in the form in which it travels between its parts: columns of one worker, in the order of
 * receipt. Times are Unix milliseconds by the master's wall clock, which may go back: order is by run and number.
 */

/**
 * A metric's key: one of {@link BASE_METRICS}; `metrics.<name>` of a custom metric; `gpus.<index>.<field>` of a device, such as
 * `gpus.0.utilization_percent`. Of samples that are anomalies also `anomaly.<reason>.<metric>` and `anomaly.usual.<metric>`, see
 * anomaly-columns.ts.
 */
export type MetricKey = string;

/** Asked for where a question names none. Usages are percentages. */
export const USUAL_METRICS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage', 'running_tasks'] as const;
/** Kept of every heartbeat. `anomaly_score` is from 0 to 1. */
export const BASE_METRICS = [...USUAL_METRICS, 'anomaly_score'] as const;

/** Consecutive samples of one worker from one run of the master. Element n of each column belongs to the same sample. */
export interface SampleRun {
  readonly workerId: string;
  /** Which run of the master received them: increases with each run that wrote to this database. */
  readonly run: number;
  /** Number of the first sample in its run; the others follow without a gap. */
  readonly first: number;
  readonly at: Float64Array;
  /** Bits of `SampleFlag` (model/sample-flags.ts). */
  readonly flags: Uint8Array;
  /** By key; NaN: the sample lacks the metric. Decimals are the shortest that the worker can have meant. */
  readonly columns: ReadonlyMap<MetricKey, Float64Array>;
}

export const TIERS = ['raw', '1m', '1h'] as const;
export type Tier = (typeof TIERS)[number];
export type RollupTier = Exclude<Tier, 'raw'>;
export const TIER_MS: Readonly<Record<RollupTier, number>> = { '1m': 60_000, '1h': 3_600_000 };

/** Values of one metric by buckets: the count is that of samples with the metric; 0 leaves the other columns NaN. */
export interface BucketColumns {
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly sum: Float64Array;
  /** The value received last. */
  readonly last: Float64Array;
  readonly count: Float64Array;
}

/** Buckets of one worker, in order of their start; buckets without samples are absent. */
export interface BucketRun {
  readonly workerId: string;
  readonly tier: RollupTier;
  /** Start of each bucket: a multiple of the tier's length since the Unix epoch. */
  readonly start: Float64Array;
  readonly columns: ReadonlyMap<MetricKey, BucketColumns>;
}

export const GAP_REASONS = [
  'samples_lost',
  'master_down',
  'worker_inactive',
  'damaged',
  'not_kept',
  'clock_set',
] as const;
export type GapReason = (typeof GAP_REASONS)[number];

/** A time without samples, and why. */
export interface Gap {
  /** Undefined: every worker. */
  readonly workerId: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: GapReason;
  /** How many samples are known to be missing; 0: unknown. */
  readonly lost: number;
}
