/** The recent rate of something. */

/** Older events count for little: an event of this age has a third of the weight of a current one. */
const TIME_CONSTANT_MS = 10_000;

/**
 * An exponentially weighted mean rate, updated after `elapsedMs` with `count` events.
 * @param perS the previous mean, per second
 */
export function meanRate(perS: number, count: number, elapsedMs: number): number {
  if (elapsedMs <= 0) return perS;
  const now = (count / elapsedMs) * 1000;
  return now + (perS - now) * Math.exp(-elapsedMs / TIME_CONSTANT_MS);
}
