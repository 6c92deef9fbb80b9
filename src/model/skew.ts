/**
 * How far a worker's clock is from the master's: measured, shown, never trusted. Half of the round trip is taken for the
 * way there, as NTP does (RFC 5905, section 8), and samples are smoothed, since round trips differ.
 */

const SMOOTHING = 1 / 8;
/** A sample this far from what is known is no noise: one of the clocks was set. */
const JUMP_MS = 5_000;

export interface SkewSample {
  /** By the worker's clock. */
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
  const sampleMs = sentAtUnixMs + roundTripMs / 2 - receivedUnixMs;
  if (beforeMs === undefined || Math.abs(sampleMs - beforeMs) > JUMP_MS) return sampleMs;
  return beforeMs + SMOOTHING * (sampleMs - beforeMs);
}
