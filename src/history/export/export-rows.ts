/** The rows of an export: one for each worker, time and metric. */
import { meanOf } from '../query/steps.ts';
import type { BucketColumns, BucketRun, MetricKey, SampleRun, Tier } from '../samples.ts';

/** What the database gave of one worker: samples, or buckets. */
export interface ExportRun {
  readonly workerId: string;
  readonly tier: Tier;
  /** Receipt of each sample; start of each bucket. */
  readonly at: Float64Array;
  readonly columns: ReadonlyMap<MetricKey, ExportColumn>;
}

/** Either the value of each sample, or the figures of each bucket. NaN, or a count of 0: it lacks the metric. */
export type ExportColumn = Float64Array | BucketColumns;

export function exportRunOfSamples({ workerId, at, columns }: SampleRun): ExportRun {
  return { workerId, tier: 'raw', at, columns };
}

export function exportRunOfBuckets({ workerId, tier, start, columns }: BucketRun): ExportRun {
  return { workerId, tier, at: start, columns };
}

/** Whether the sample or bucket has the metric. */
export function hasValue(column: ExportColumn, index: number): boolean {
  if (column instanceof Float64Array) return !Number.isNaN(column[index]);
  return (column.count[index] as number) > 0;
}

export interface Figures {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly last: number;
  readonly count: number;
}

/** Call it only where there is a value. */
export function figuresAt(column: ExportColumn, index: number): Figures {
  if (column instanceof Float64Array) {
    const value = column[index] as number;
    return { min: value, max: value, mean: value, last: value, count: 1 };
  }
  const count = column.count[index] as number;
  const min = column.min[index] as number;
  const max = column.max[index] as number;
  return {
    min,
    max,
    mean: meanOf(column.sum[index] as number, count, min, max),
    last: column.last[index] as number,
    count,
  };
}

export function rowsIn({ at, columns }: ExportRun): number {
  let rows = 0;
  for (const column of columns.values()) {
    for (let index = 0; index < at.length; index += 1) if (hasValue(column, index)) rows += 1;
  }
  return rows;
}
