/**
 * How often somebody may send: the generic cell rate algorithm (ITU-T I.371), which remembers one number per sender: the
 * time at which its next arrival would be due at the allowed rate. A sender is ahead of it by at most the tolerance; so
 * its rate holds over any time, and it may send that much in one burst.
 */

export interface RateLimit {
  /** Time between two arrivals at the allowed rate, in milliseconds. */
  readonly intervalMs: number;
  /** How far ahead of the rate a burst may run, in milliseconds. */
  readonly toleranceMs: number;
}

/** A worker that was held up, or a fleet that comes back, may send one second's worth at once. */
const BURST_MS = 1000;

/** `perS` arrivals a second; 0 is no limit. @param burstMs how much of the rate may come at once */
export function rateLimit(perS: number, burstMs = BURST_MS): RateLimit | undefined {
  if (perS <= 0) return undefined;
  const intervalMs = 1000 / perS;
  return { intervalMs, toleranceMs: Math.max(0, burstMs - intervalMs) };
}

/** For people. */
export function heartbeatsText(count: number): string {
  return `${count} heartbeat${count === 1 ? '' : 's'}`;
}

/** Of somebody who has sent nothing yet. */
export const NEVER_MS = Number.NEGATIVE_INFINITY;

/**
 * Somebody sends at `nowMs`. @returns when its next one is due, to be remembered; undefined if this one comes too soon,
 * and what was remembered stays. @param weight as how many it counts; one that is heavier than a burst is never taken
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
