/**
 * How long heartbeats take until they can be read. Both histograms come from the same counts (store/apply-times.ts):
 * classic bounds are powers of two, at which a bucket ends.
 */
import { APPLY_LOWEST_EXPONENT, APPLY_SCHEMA, type ApplyTimes } from '../../store/apply-times.ts';
import type { ExponentialBuckets, Histogram } from '../family.ts';
import type { MasterFamily } from './master-family.ts';

/** Upper bounds of the classic histogram: from 0.12 ms, less than most heartbeats take, to 16 s, as powers of two. */
const FIRST_EXPONENT = -13;
const LAST_EXPONENT = 4;

export const APPLY_FAMILY: MasterFamily = {
  name: 'pulselane_heartbeat_apply_seconds',
  type: 'histogram',
  unit: 'seconds',
  help: 'Time from the receipt of a heartbeat to the moment at which its values can be read.',
  labels: [],
  read: ({ figures, startedUnixMs }) => [
    { labels: [], value: histogramOf(figures.applyTimes), createdUnixMs: startedUnixMs },
  ],
};

export function histogramOf({ counts, sumSeconds }: ApplyTimes): Histogram {
  const upperBounds: number[] = [];
  const cumulativeCounts: number[] = [];
  let count = 0;
  let bucket = 0;
  for (let exponent = FIRST_EXPONENT; exponent <= LAST_EXPONENT; exponent++) {
    const last = (exponent - APPLY_LOWEST_EXPONENT) * 2 ** APPLY_SCHEMA;
    while (bucket <= last) count += counts[bucket++] as number;
    upperBounds.push(2 ** exponent);
    cumulativeCounts.push(count);
  }
  while (bucket < counts.length) count += counts[bucket++] as number;
  return { upperBounds, cumulativeCounts, count, sum: sumSeconds, exponential: exponentialOf(counts) };
}

function exponentialOf(counts: ApplyTimes['counts']): ExponentialBuckets {
  let first = 1;
  while (first < counts.length && counts[first] === 0) first++;
  let end = counts.length;
  while (end > first && counts[end - 1] === 0) end--;
  return {
    schema: APPLY_SCHEMA,
    zeroThreshold: 2 ** APPLY_LOWEST_EXPONENT,
    zeroCount: counts[0] as number,
    firstIndex: APPLY_LOWEST_EXPONENT * 2 ** APPLY_SCHEMA + first,
    counts: Array.from(counts.slice(first, end)),
  };
}
