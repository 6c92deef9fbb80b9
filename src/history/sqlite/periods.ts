/** Keys of stored blobs: one for each worker and period (an hour, a day, 30 days since the Unix epoch), ordered by period. */

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** What one blob of 1-hour buckets covers. */
export const MONTH_MS = 30 * DAY_MS;

/** Hours until the year 2448. With the two numbers below, a key is an integer below 2^53. */
const MAX_PERIOD = 2 ** 22 - 1;
/** 134 million workers, counting those that are forgotten. */
const WORKERS = 2 ** 27;
/** A worker's hour consists of several blobs if samples came after it was sealed, or too many for one. */
export const MAX_PARTS = 2 ** 4;

/** Wall clocks can be far off: such times count as the first or the last period. */
export function periodAt(atMs: number, lengthMs: number): number {
  return Math.min(Math.max(Math.floor(atMs / lengthMs), 0), MAX_PERIOD);
}

/** The periods that [fromMs, toMs) touches. */
export function periodsWithin(fromMs: number, toMs: number, lengthMs: number): { first: number; last: number } {
  return {
    first: periodAt(fromMs, lengthMs),
    last: Math.min(Math.max(Math.ceil(toMs / lengthMs) - 1, -1), MAX_PERIOD),
  };
}

/** Of the first part; further ones follow. */
export function keyOf(period: number, worker: number): number {
  return (period * WORKERS + worker) * MAX_PARTS;
}

export function periodOf(key: number): number {
  return Math.floor(key / (WORKERS * MAX_PARTS));
}

export function workerOf(key: number): number {
  return Math.floor(key / MAX_PARTS) % WORKERS;
}
