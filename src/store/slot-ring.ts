/**
 * The capacity of a worker's sample ring: pure functions. The ring is off until a reader of samples exists and says how
 * long it may be away (`sampleSpanMs`). From then on each ring holds the samples of that time, at its worker's pace.
 *
 *     off ──► LEAST ──► doubled:   it is full, and holds less than the span
 *                   ◄── quartered: it is full, and holds more than SHRINK_AT times the span
 *
 * A burst doubles it at most once or twice; a worker with a changing pace keeps the larger ring. At MOST, or without
 * memory for a larger ring, the oldest samples are lost, which readers count.
 *
 * Each custom metric has a column. If the columns do not suffice, their number is doubled; at the maximum, when half of
 * them have no value left in the ring, those are freed.
 *
 * All sizes are powers of two: sample numbers wrap at 2^32, and the place in the ring must not jump there.
 */

export const LEAST_RING_SAMPLES = 16;
/** 34 minutes at two samples per second; 148 kB. */
export const MOST_RING_SAMPLES = 4096;
const SHRINK_AT = 8;

/** The ring of a new worker with this interval; 0 if there is no reader of samples. */
export function ringCapacityFor(spanMs: number, intervalMs: number): number {
  if (spanMs <= 0) return 0;
  // Both ends of the span, and the sample being written.
  const samples = Math.ceil(spanMs / Math.max(1, intervalMs)) + 2;
  return Math.max(LEAST_RING_SAMPLES, Math.min(MOST_RING_SAMPLES, 2 ** Math.ceil(Math.log2(samples))));
}

/** Maximum number of custom metrics per worker with a column; values of others are left out and counted. */
export const MOST_METRIC_COLUMNS = 64;
const LEAST_METRIC_COLUMNS = 4;

/** Number of columns for so many metrics: a power of two, so that metrics that come one by one cause few new slots. */
export function metricColumnsFor(metrics: number): number {
  if (metrics === 0) return 0;
  return Math.max(LEAST_METRIC_COLUMNS, Math.min(MOST_METRIC_COLUMNS, 2 ** Math.ceil(Math.log2(metrics))));
}

export function isMetricColumns(columns: number): boolean {
  return columns === 0 || columns === metricColumnsFor(columns);
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

/** The capacity from now on. @param spanMs 0: there is no reader of samples, and an existing ring stays */
export function ringAfter({ capacity, isFull, heldMs }: RingFacts, spanMs: number): number {
  if (spanMs <= 0) return capacity;
  if (capacity === 0) return LEAST_RING_SAMPLES;
  if (!isFull) return capacity;
  if (heldMs < spanMs) return Math.min(2 * capacity, MOST_RING_SAMPLES);
  return heldMs > SHRINK_AT * spanMs ? Math.max(LEAST_RING_SAMPLES, capacity / 4) : capacity;
}
