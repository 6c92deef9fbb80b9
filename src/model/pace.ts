/** How often workers are told to send: less often where there are more of them than heartbeats can be taken. */

/** Steps of the stretch, so that a worker more or less changes nothing. */
const STEP = 1.1;
/** Told intervals differ by up to this share to either side: what begins together must not stay together. */
const JITTER = 0.1;
/** The longest that an agent obeys, and may announce; the most of HEARTBEAT_INTERVAL. */
export const LONGEST_INTERVAL_MS = 3_600_000;

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

/** The longest that any worker is told. */
export function longestIntervalMs(intervalMs: number, baseMs: number): number {
  return intervalMs <= baseMs ? baseMs : intervalMs * (1 + JITTER);
}

/** An interval that some worker may still keep to. */
export interface AssignedInterval {
  readonly intervalMs: number;
  /** Up to and with this moment somebody may who was told it. */
  readonly untilMs: number;
}

/** Acks come this often to those who send. */
const ACK_EVERY_MS = 3000;

/**
 * The intervals that some worker may still keep to, longest first: the first one is that by which silence is judged. A pace
 * that falls is heard by each worker with the ack of its next heartbeat, or, if that is lost, of the one after it: until then
 * it keeps to the former one. So each interval counts for as long after it was told last, those on the way down included.
 * @param before the same at the look before; empty: nobody was told anything
 * @param longestMs what workers are told from now on
 * @returns never empty; strictly falling, so no more than there are steps
 */
export function assignedIntervals(
  before: readonly AssignedInterval[],
  longestMs: number,
  nowMs: number,
): readonly [AssignedInterval, ...AssignedInterval[]] {
  const told = { intervalMs: longestMs, untilMs: nowMs + 2 * longestMs + ACK_EVERY_MS };
  // What is shorter was told before as well, and is over sooner.
  const longer = before.filter(({ intervalMs, untilMs }) => intervalMs > longestMs && nowMs <= untilMs);
  const [first] = longer;
  return first === undefined ? [told] : [first, ...longer.slice(1), told];
}
