/**
 * How far a worker's clock is from the master's: measured, shown, never trusted. Half of the round trip is taken for the
 * way there, as NTP does (RFC 5905, section 8), and samples are smoothed, since round trips differ.
 */

const SMOOTHING = 1 / 8;
/**
 * A measured round trip that is longer is rather a mistake: a call is given up sooner. Without this bound one number of a
 * worker could make its skew as large as it likes.
 */
const LONGEST_ROUND_TRIP_MS = 60_000;
/** A sample this far from what is known is no noise: one of the clocks was set. */
const JUMP_MS = 5_000;

export interface SkewSample {
  /** By the worker's clock. Finite, as are the others. */
  readonly sentAtUnixMs: number;
  /** By the master's clock. */
  readonly receivedUnixMs: number;
  /** Measured by the worker; 0 = not known. */
  readonly roundTripMs: number;
}

/** Positive: the worker's clock is ahead. @param beforeMs what is known; undefined: nothing */
export function smoothedSkewMs(
  beforeMs: number | undefined,
  { sentAtUnixMs, receivedUnixMs, roundTripMs }: SkewSample,
): number {
  const wayMs = roundTripMs <= LONGEST_ROUND_TRIP_MS ? roundTripMs / 2 : 0;
  const sampleMs = sentAtUnixMs + wayMs - receivedUnixMs;
  if (beforeMs === undefined || Math.abs(sampleMs - beforeMs) > JUMP_MS) return sampleMs;
  return beforeMs + SMOOTHING * (sampleMs - beforeMs);
}
