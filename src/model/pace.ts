/** Assigns heartbeat intervals: longer ones if the fleet would otherwise exceed the target rate. */

/** Intervals grow in steps of this factor, so that a few workers more or less change nothing. */
const STEP = 1.1;
/** Assigned intervals vary by up to this share in both directions, so that workers do not stay synchronised. */
const JITTER = 0.1;
/** Maximum interval that an agent accepts or has; also the maximum of HEARTBEAT_INTERVAL. */
export const LONGEST_INTERVAL_MS = 3_600_000;
/** Maximum interval that a worker may announce: a job that runs once a day. */
export const LONGEST_ANNOUNCED_MS = 24 * 3_600_000;

/**
 * The interval at which `workers` together send at most `targetPerS` heartbeats per second.
 * @param baseMs minimum, used for small fleets
 */
export function pacedIntervalMs(baseMs: number, workers: number, targetPerS: number): number {
  const neededMs = (workers / targetPerS) * 1000;
  if (neededMs <= baseMs) return baseMs;
  const steps = Math.ceil(Math.log(neededMs / baseMs) / Math.log(STEP));
  return Math.min(LONGEST_INTERVAL_MS, baseMs * STEP ** steps);
}

/** The interval assigned to one worker, never below `baseMs`. @param random from 0 to 1, exclusive */
export function jitteredIntervalMs(intervalMs: number, baseMs: number, random: number): number {
  if (intervalMs <= baseMs) return Math.round(baseMs);
  return Math.round(Math.max(baseMs, intervalMs * (1 - JITTER + 2 * JITTER * random)));
}

/** The longest interval that any worker is assigned. */
export function longestIntervalMs(intervalMs: number, baseMs: number): number {
  return intervalMs <= baseMs ? baseMs : intervalMs * (1 + JITTER);
}

/** An interval that some worker may still follow. */
export interface AssignedInterval {
  readonly intervalMs: number;
  /** Up to and including this time, some worker may still follow it. */
  readonly untilMs: number;
}

/** Interval of acks. */
const ACK_EVERY_MS = 3000;

/**
 * The intervals that some worker may still follow, longest first; silence is judged by the first. A worker learns of a
 * shorter interval with the ack of its next heartbeat or, if that is lost, of the one after it; until then it follows
 * the former one. So each interval, including intermediate ones, stays valid for that long after it was last assigned.
 * @param before the previous result; empty: no interval was assigned yet
 * @param longestMs the longest interval assigned from now on
 * @returns never empty; strictly decreasing, so at most one entry per step
 */
export function assignedIntervals(
  before: readonly AssignedInterval[],
  longestMs: number,
  nowMs: number,
): readonly [AssignedInterval, ...AssignedInterval[]] {
  const told = { intervalMs: longestMs, untilMs: nowMs + 2 * longestMs + ACK_EVERY_MS };
  // A shorter one was assigned earlier as well, and expires sooner.
  const longer = before.filter(({ intervalMs, untilMs }) => intervalMs > longestMs && nowMs <= untilMs);
  const [first] = longer;
  return first === undefined ? [told] : [first, ...longer.slice(1), told];
}
