/**
 * The state of one metric of one worker: 16 floats of 32 bits, 64 bytes, in memory that the caller gives. All zero is a new
 * state. It may be in shared memory: one thread writes it, and it goes on after a restart of that thread.
 *
 * Counts share a float: whole numbers below 2^24 are exact in it.
 */
export const STATE_FLOATS = 16;
export const STATE_BYTES = STATE_FLOATS * Float32Array.BYTES_PER_ELEMENT;

/** Index of each float. Values are in the metric's unit, less `reference` where it says so. */
export const StateFloat = {
  /** Recent level, less the reference: a moving average over some samples, each clipped. */
  recent: 0,
  /** Recent spread: mean distance between samples that follow each other, which a new level does not change. */
  recentSpread: 1,
  /** Usual range of the recent level, less the reference: its lower bound, its middle, its upper bound. */
  low: 2,
  usual: 3,
  high: 4,
  /** Logarithm of the usual recent spread … */
  usualLogSpread: 5,
  /** … and how far above it that is at most, usually. */
  logSpreadRange: 6,
  /** What is expected at this time of the week; follows `expected` in some minutes. */
  reference: 7,
  expected: 8,
  /** Time of the last sample in seconds, modulo {@link TIME_WRAP_S}. */
  at: 9,
  last: 10,
  /** How much was learned, in samples of 5 s. */
  age: 11,
  /** Samples in a row with the same value, and the longest such run. */
  runs: 12,
  /** How much speaks for an anomaly of each kind, and for a counter. */
  evidence: 13,
  /** Since when there is evidence, whether it is an anomaly, and the current cycle. */
  since: 14,
  /** Usual length of a cycle, and how much it varies. */
  cycles: 15,
} as const;

/** Times are kept modulo this: then a float has them to the millisecond. */
export const TIME_WRAP_S = 16_384;
