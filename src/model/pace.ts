/** How often workers are told to send: less often where there are more of them than heartbeats can be taken. */

/** Steps of the stretch, so that a worker more or less changes nothing. */
const STEP = 1.1;
/** Told intervals differ by up to this share to either side: what begins together must not stay together. */
const JITTER = 0.1;
/** The longest that an agent obeys: LONGEST_INTERVAL_MS of the agent. */
const LONGEST_INTERVAL_MS = 3_600_000;

/**
 * The interval at which `workers` send no more than `targetPerS` heartbeats a second together.
 * @param baseMs the shortest, which small fleets keep
 */
export function pacedIntervalMs(baseMs: number, workers: number, targetPerS: number): number {
  const neededMs = (workers / targetPerS) * 1000;
  if (neededMs <= baseMs) return baseMs;
  const steps = Math.ceil(Math.log(neededMs / baseMs) / Math.log(STEP));
  return Math.min(LONGEST_INTERVAL_MS, baseMs * STEP ** steps);
}

/** What one worker is told of it. Nobody is told less than `baseMs`. @param random from 0 up to 1 */
export function jitteredIntervalMs(intervalMs: number, baseMs: number, random: number): number {
  if (intervalMs <= baseMs) return Math.round(baseMs);
  return Math.round(Math.max(baseMs, intervalMs * (1 - JITTER + 2 * JITTER * random)));
}

/** The longest that any worker was told. */
export function longestIntervalMs(intervalMs: number, baseMs: number): number {
  return intervalMs <= baseMs ? baseMs : intervalMs * (1 + JITTER);
}
