/**
 * The time between two heartbeats, as it is scored: relative to the interval that the master told the worker, so that a longer one
 * is no anomaly, and in seconds of HEARTBEAT_INTERVAL, so that people can read it.
 *
 * A shorter one counts as one that is on time: heartbeats that waited in a network come in a burst, which follows a long interval.
 */

/**
 * @param gapMs between two heartbeats; undefined: it says nothing about the worker, such as after a reconnect
 * @param toldMs the longest interval that the worker may have been told
 * @param baseMs HEARTBEAT_INTERVAL
 * @returns in seconds, at least HEARTBEAT_INTERVAL; NaN: not to be scored
 */
export function scoredIntervalS(gapMs: number | undefined, toldMs: number, baseMs: number): number {
  return gapMs === undefined ? Number.NaN : (Math.max(1, gapMs / toldMs) * baseMs) / 1000;
}
