/** Cutting runs of buckets. */
import type { BucketRun } from './samples.ts';

/** The buckets that start within [fromMs, toMs); columns are shared with the given run. */
export function bucketsWithin(run: BucketRun, fromMs: number, toMs: number): BucketRun {
  const { start } = run;
  let from = 0;
  while (from < start.length && (start[from] as number) < fromMs) from++;
  let to = from;
  while (to < start.length && (start[to] as number) < toMs) to++;
  if (from === 0 && to === start.length) return run;
  const part = (column: Float64Array) => column.subarray(from, to);
  return {
    ...run,
    start: part(start),
    columns: new Map(
      [...run.columns].map(([key, { min, max, sum, last, count }]) => [
        key,
        { min: part(min), max: part(max), sum: part(sum), last: part(last), count: part(count) },
      ]),
    ),
  };
}
