/** How often something happens of late. */

/** What happened longer ago than this counts for little: a third of what happens now. */
const TIME_CONSTANT_MS = 10_000;

/**
 * An exponentially weighted mean of the rate, brought forward by `elapsedMs` in which it happened `count` times.
 * @param perS the mean before, per second
 */
export function meanRate(perS: number, count: number, elapsedMs: number): number {
  if (elapsedMs <= 0) return perS;
  const now = (count / elapsedMs) * 1000;
  return now + (perS - now) * Math.exp(-elapsedMs / TIME_CONSTANT_MS);
}
