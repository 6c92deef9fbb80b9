/**
 * The capacity of a worker's sample ring: pure functions. Rings are off unless a span of time is wanted (RING_TIME). Then each
 * holds the samples of that time, at its worker's pace.
 *
 *     off ──► LEAST ──► doubled: it is full, and holds less than the span
 *                   ◄── halved:  it is full, and holds more than SHRINK_AT times the span
 *                   ◄── halved:  rings are short of memory, and half of it holds KEEP_AT times the span
 *
 * A ring that was halved is not halved again for {@link SHRINK_EVERY_MS}: until then the history thread has stored, in its spool if
 * not in the database, what half of the ring would not hold.
 *
 * A burst doubles it at most once or twice; a worker with a changing pace keeps the larger ring. At MOST, or without
 * memory for a larger ring, the oldest samples are lost, which readers count.
 *
 * Each metric that not every worker has gets a column. If the columns do not suffice, their number is doubled; at the maximum
 * (HISTORY_METRICS), when half of them have no value left in the ring, those are freed.
 *
 * All capacities are powers of two: sample numbers wrap at 2^32, and the place in the ring must not jump there.
 */

export const LEAST_RING_SAMPLES = 16;
/** An hour at nine samples per second, a day at one in 2.6 s; 1.2 MB. */
export const MOST_RING_SAMPLES = 32_768;
const SHRINK_AT = 4;
/** More than 1: a ring that was halved must not grow at once because its worker's pace varies. */
const KEEP_AT = 1.25;
/**
 * Twenty times the interval at which the history thread looks. It leaves at most SPOOL_AT of a ring (history-limits.ts) unstored, which
 * is less than half: one halving loses nothing, and the next one nothing either if the thread had a look between them.
 */
export const SHRINK_EVERY_MS = 10_000;
/** The first ring of a worker holds so much: workers that live shortly cost little, and grow-ups few moves to larger rings. */
const FIRST_SPAN_MS = 5 * 60_000;

/** The first ring of a new worker. @param spanMs 0: rings are off */
export function firstRingCapacity(spanMs: number, intervalMs: number): number {
  return ringCapacityFor(Math.min(spanMs, FIRST_SPAN_MS), intervalMs);
}

/** The ring that holds the span at this interval. @param spanMs 0: rings are off */
export function ringCapacityFor(spanMs: number, intervalMs: number): number {
  if (spanMs <= 0) return 0;
  // Both ends of the span, and the sample being written.
  const samples = Math.ceil(spanMs / Math.max(1, intervalMs)) + 2;
  return Math.max(LEAST_RING_SAMPLES, Math.min(MOST_RING_SAMPLES, 2 ** Math.ceil(Math.log2(samples))));
}

/** Maximum of HISTORY_METRICS: with as many columns, the largest ring takes 68 MB, which even the smallest lane may allocate. */
export const MOST_METRIC_COLUMNS = 256;
const LEAST_METRIC_COLUMNS = 4;

/**
 * Number of columns for so many metrics: a power of two, so that metrics that come one by one cause few new slots, or the maximum.
 * @param most maximum of a worker (HISTORY_METRICS); values of others are left out and counted
 */
export function metricColumnsFor(metrics: number, most: number): number {
  if (metrics === 0) return 0;
  return Math.min(most, Math.max(LEAST_METRIC_COLUMNS, 2 ** Math.ceil(Math.log2(metrics))));
}

export function isMetricColumns(columns: number): boolean {
  return Number.isInteger(columns) && columns >= 0 && columns <= MOST_METRIC_COLUMNS;
}

export function isRingCapacity(capacity: number): boolean {
  return capacity === 0 || (capacity <= MOST_RING_SAMPLES && Number.isInteger(Math.log2(capacity)));
}

export interface RingFacts {
  readonly capacity: number;
  /** Whether it holds as many samples as it can. */
  readonly isFull: boolean;
  /** Time from its oldest sample until now. */
  readonly heldMs: number;
}

/** The capacity from now on. @param spanMs 0: rings are off, and an existing one stays */
export function ringAfter({ capacity, isFull, heldMs }: RingFacts, spanMs: number): number {
  if (spanMs <= 0) return capacity;
  if (capacity === 0) return LEAST_RING_SAMPLES;
  if (!isFull) return capacity;
  if (heldMs < spanMs) return Math.min(2 * capacity, MOST_RING_SAMPLES);
  return heldMs > SHRINK_AT * spanMs ? Math.max(LEAST_RING_SAMPLES, capacity / 2) : capacity;
}

/** The capacity while rings are short of memory: halved if that suffices. @param periodMs mean time between two samples */
export function shortenedRing(capacity: number, periodMs: number, spanMs: number): number {
  const half = capacity / 2;
  return half >= LEAST_RING_SAMPLES && (half - 1) * periodMs >= KEEP_AT * spanMs ? half : capacity;
}

/**
 * The capacity at which a ring ends up if its worker keeps its pace.
 * @param areShort whether rings are short of memory
 */
export function settledRing(capacity: number, periodMs: number, spanMs: number, areShort: boolean): number {
  let settled = Math.max(capacity, LEAST_RING_SAMPLES);
  while (settled < MOST_RING_SAMPLES && (settled - 1) * periodMs < spanMs) settled *= 2;
  for (;;) {
    const next = areShort
      ? shortenedRing(settled, periodMs, spanMs)
      : ringAfter({ capacity: settled, isFull: true, heldMs: (settled - 1) * periodMs }, spanMs);
    if (next >= settled) return settled;
    settled = next;
  }
}
