/** How long to wait before trying again. */

/** The first wait: long enough for a master that restarts to be back, short enough to go unnoticed. */
const FIRST_DELAY_MS = 500;
const FACTOR = 1.6;
/** With two intervals of 5 s it stays below the 30 s after which a silent worker is called inactive. */
export const MAX_BACKOFF_MS = 10_000;

/**
 * The wait after `failures` consecutive failures, from 1. Half of it is jitter, so that a fleet that lost its master does
 * not reconnect all at once.
 * @param random a number from 0 up to, not including, 1
 */
export function backoffMs(failures: number, random: number): number {
  const fullMs = Math.min(MAX_BACKOFF_MS, FIRST_DELAY_MS * FACTOR ** (failures - 1));
  return fullMs * (0.5 + random / 2);
}
