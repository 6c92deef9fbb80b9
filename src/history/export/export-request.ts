/** What an export contains, and in which format. */
import type { MetricKey, Tier } from '../samples.ts';

/**
 * | format  | for                                                                                 |
 * |---------|-------------------------------------------------------------------------------------|
 * | csv     | spreadsheets and most programs: RFC 4180, UTF-8, the names of the columns first      |
 * | jsonl   | programs that read line by line: one JSON object in each line                        |
 * | parquet | DuckDB, pandas, Spark: typed columns, compressed with zstd                           |
 */
export const EXPORT_FORMATS = ['csv', 'jsonl', 'parquet'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** In this order, in each format. */
export const EXPORT_COLUMNS = ['worker_id', 'at', 'tier', 'metric', 'min', 'max', 'mean', 'last', 'count'] as const;

export interface ExportRequest {
  /** Undefined: all workers with history, also forgotten ones. */
  readonly workerIds: readonly string[] | undefined;
  /** Only ids that begin with this; empty: all. */
  readonly prefix: string;
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** As a client names them: keys, or bare names of custom metrics. Undefined: all metrics. */
  readonly metrics: readonly string[] | undefined;
  /** Undefined: the finest there is for each part of the range. */
  readonly tier: Tier | undefined;
}

/** One tier over a part of the range. */
export interface TierPart {
  readonly tier: Tier;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Between which times a worker may have samples or buckets; it has none outside. */
export interface ExportWorker {
  readonly workerId: string;
  /** Inclusive; the start of an hour. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** What is asked of the database at once. */
export interface Slice extends TierPart {
  readonly workerIds: readonly string[];
  /** Undefined: all. */
  readonly keys: readonly MetricKey[] | undefined;
}
