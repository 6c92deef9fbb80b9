/**
 * The difference between a worker's clock and the master's: measured and shown, never used. As in NTP (RFC 5905,
 * section 8), half of the round trip is taken for the way there; samples are smoothed, since round trips vary.
 */

const SMOOTHING = 1 / 8;
/**
 * A longer round trip is probably an error, since calls time out earlier. Without this limit, one number sent by a
 * worker could make its skew arbitrarily large.
 */
const LONGEST_ROUND_TRIP_MS = 60_000;
/** A sample this far from the known skew is not noise: one of the clocks was set. */
const JUMP_MS = 5_000;

export interface SkewSample {
  /** By the worker's clock. Finite, like the others. */
  readonly sentAtUnixMs: number;
  /** By the master's clock. */
  readonly receivedUnixMs: number;
  /** Measured by the worker; 0 = unknown. */
  readonly roundTripMs: number;
}

/** Positive: the worker's clock is ahead. @param beforeMs the previous skew; undefined: unknown */
export function smoothedSkewMs(
  beforeMs: number | undefined,
  { sentAtUnixMs, receivedUnixMs, roundTripMs }: SkewSample,
): number {
  const wayMs = roundTripMs <= LONGEST_ROUND_TRIP_MS ? roundTripMs / 2 : 0;
  const sampleMs = sentAtUnixMs + wayMs - receivedUnixMs;
  if (beforeMs === undefined || Math.abs(sampleMs - beforeMs) > JUMP_MS) return sampleMs;
  return beforeMs + SMOOTHING * (sampleMs - beforeMs);
}
