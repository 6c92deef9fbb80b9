/**
 * Rate limiting by the generic cell rate algorithm (ITU-T I.371), which stores one number per sender: the time at which
 * its next arrival is due at the allowed rate. A sender may be ahead of it by at most the tolerance, so the rate holds
 * over any period, with bursts of the tolerance.
 */

export interface RateLimit {
  /** Time between two arrivals at the allowed rate, in milliseconds. */
  readonly intervalMs: number;
  /** How far a burst may run ahead of the rate, in milliseconds. */
  readonly toleranceMs: number;
}

/** Bursts of one second's worth are allowed, for a worker that was delayed or a fleet that reconnects. */
const BURST_MS = 1000;

/** `perS` arrivals per second; 0 is no limit. @param burstMs how much of the rate may arrive in one burst */
export function rateLimit(perS: number, burstMs = BURST_MS): RateLimit | undefined {
  if (perS <= 0) return undefined;
  const intervalMs = 1000 / perS;
  return { intervalMs, toleranceMs: Math.max(0, burstMs - intervalMs) };
}

/** As text. */
export function heartbeatsText(count: number): string {
  return `${count} heartbeat${count === 1 ? '' : 's'}`;
}

/** Due time of a sender that has sent nothing yet. */
export const NEVER_MS = Number.NEGATIVE_INFINITY;

/**
 * Checks an arrival at `nowMs`. @returns the next due time, to be stored; undefined if the arrival exceeds the limit,
 * and the stored time stays. @param weight number of arrivals it counts as; one heavier than a burst is always refused
 */
export function afterArrival(
  dueMs: number,
  nowMs: number,
  { intervalMs, toleranceMs }: RateLimit,
  weight = 1,
): number | undefined {
  if (Math.max(dueMs - nowMs, 0) + (weight - 1) * intervalMs > toleranceMs) return undefined;
  return Math.max(dueMs, nowMs) + weight * intervalMs;
}
