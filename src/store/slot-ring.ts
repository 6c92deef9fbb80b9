/**
 * How many samples a worker's ring holds, as pure functions. Nobody keeps samples that nobody reads: the ring is off until a
 * reader of samples is there, who says for how long it may be away (`sampleSpanMs`). From then on each ring holds what its
 * worker sends in that time, at the pace at which it does.
 *
 *     off ──► LEAST ──► twice as many: it is full, and holds less than the span
 *                   ◄── a quarter:     it is full, and holds more than SHRINK_AT times the span
 *
 * A burst doubles it once or twice and no more; a worker whose pace changes back and forth keeps the larger one. Beyond MOST,
 * and while there is no memory for a larger one, the oldest samples are lost, which readers count.
 *
 * Custom metrics have columns of their own, of which there are twice as many when they do not suffice; when there are as many
 * as there may be, and half of them hold nothing any more, those are given up.
 *
 * All sizes are powers of two: the number of a sample wraps at 2^32, and its place in the ring must not jump there.
 */

export const LEAST_RING_SAMPLES = 16;
/** 34 minutes at two a second, 148 kB. */
export const MOST_RING_SAMPLES = 4096;
const SHRINK_AT = 8;

/** The ring of a new worker that sends every `intervalMs`; 0 if nobody reads samples. */
export function ringCapacityFor(spanMs: number, intervalMs: number): number {
  if (spanMs <= 0) return 0;
  // Both ends of the span, and the sample that may be under way.
  const samples = Math.ceil(spanMs / Math.max(1, intervalMs)) + 2;
  return Math.max(LEAST_RING_SAMPLES, Math.min(MOST_RING_SAMPLES, 2 ** Math.ceil(Math.log2(samples))));
}

/** Custom metrics of one worker that have a column; values of others are left out, and counted. */
export const MOST_METRIC_COLUMNS = 64;
const LEAST_METRIC_COLUMNS = 4;

/** Columns for so many metrics: a power of two, so that a worker whose metrics come one by one gets few new slots. */
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
  /** Whether it holds as many as it can. */
  readonly isFull: boolean;
  /** From its oldest sample until now. */
  readonly heldMs: number;
}

/** How many it is to hold from now on. @param spanMs 0: nobody reads samples, and a ring that is there stays */
export function ringAfter({ capacity, isFull, heldMs }: RingFacts, spanMs: number): number {
  if (spanMs <= 0) return capacity;
  if (capacity === 0) return LEAST_RING_SAMPLES;
  if (!isFull) return capacity;
  if (heldMs < spanMs) return Math.min(2 * capacity, MOST_RING_SAMPLES);
  return heldMs > SHRINK_AT * spanMs ? Math.max(LEAST_RING_SAMPLES, capacity / 4) : capacity;
}
