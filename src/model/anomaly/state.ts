/**
 * The state of one metric of one worker: 16 floats of 32 bits, 64 bytes, in memory that the caller gives. All zero is a new
 * state. It may be in shared memory: one thread writes it, and it goes on after a restart of that thread.
 *
 * Small whole numbers share a float, which has those below 2^24 exactly: see {@link Packed}.
 */
export const STATE_FLOATS = 16;
export const STATE_BYTES = STATE_FLOATS * Float32Array.BYTES_PER_ELEMENT;

/** Index of each float. Levels are in the metric's unit, less `reference`. */
export const StateFloat = {
  /** Recent level: a moving average over some samples, each clipped. */
  recent: 0,
  /** Recent spread: mean distance between samples that follow each other, which a new level does not change. */
  recentSpread: 1,
  /** Usual range of samples: its lower bound, its middle, its upper bound. */
  low: 2,
  usual: 3,
  high: 4,
  /** Logarithm of the usual recent spread … */
  usualLogSpread: 5,
  /** … and how far above it that is at most, usually. */
  logSpreadRange: 6,
  /** What is expected at this time of the week; 0: nothing, so an expected 0 is kept as a number next to it. */
  reference: 7,
  /** Where the recent level last turned, or its farthest since: see rhythm.ts. */
  turn: 8,
  /** Time of the last sample in seconds, modulo {@link TIME_WRAP_S}. */
  at: 9,
  last: 10,
  /** How much was learned, in samples of 5 s. */
  age: 11,
  /** Of {@link Packed}. */
  runs: 12,
  evidence: 13,
  since: 14,
  cycles: 15,
} as const;

/** Times are kept modulo this: then a float has them to the millisecond. */
export const TIME_WRAP_S = 16_384;

/** Where a whole number is: its float, its lowest bit, and how large it is at most. */
export interface PackedNumber {
  readonly float: number;
  readonly shift: number;
  readonly most: number;
}

export const Packed = {
  /** Samples in a row with the same value, and the longest such run. */
  run: { float: StateFloat.runs, shift: 0, most: 0xfff },
  longestRun: { float: StateFloat.runs, shift: 12, most: 0xfff },
  /** Votes for each kind of anomaly, in eighths. */
  levelVotes: { float: StateFloat.evidence, shift: 0, most: 63 },
  spreadVotes: { float: StateFloat.evidence, shift: 6, most: 63 },
  rhythmVotes: { float: StateFloat.evidence, shift: 12, most: 63 },
  /** How much speaks for a counter. */
  rises: { float: StateFloat.evidence, shift: 18, most: 63 },
  /** Samples of the current cycle; whether the level falls; samples since there are votes; whether these are an anomaly. */
  cycle: { float: StateFloat.since, shift: 0, most: 0xfff },
  falls: { float: StateFloat.since, shift: 12, most: 1 },
  since: { float: StateFloat.since, shift: 13, most: 0x3ff },
  isAnomaly: { float: StateFloat.since, shift: 23, most: 1 },
  /** Logarithm of the usual length of a cycle in samples, in 256ths; its usual spread, in 512ths; whether another one was accepted. */
  cycleLog: { float: StateFloat.cycles, shift: 0, most: 0xfff },
  cycleSpread: { float: StateFloat.cycles, shift: 12, most: 0x7ff },
  hasTwoRhythms: { float: StateFloat.cycles, shift: 23, most: 1 },
} as const satisfies Record<string, PackedNumber>;

export function unpack(floats: Float32Array, at: number, { float, shift, most }: PackedNumber): number {
  return ((floats[at + float] as number) >>> shift) & most;
}

/** Rounded, and at most as large as it may be. */
export function pack(floats: Float32Array, at: number, { float, shift, most }: PackedNumber, value: number): void {
  const whole = Math.min(most, Math.max(0, Math.round(value)));
  floats[at + float] = ((floats[at + float] as number) & ~(most << shift)) | (whole << shift);
}

/** Whether numbers can be a state: its thread may have died while it wrote, and memory may hold anything. */
export function isSound(floats: Float32Array, at: number): boolean {
  // Infinite and NaN ones make the sum NaN or infinite.
  let sum = 0;
  for (let each = 0; each < StateFloat.runs; each++) sum += Math.abs(floats[at + each] as number);
  if (!(sum < MOST_SUM)) return false;
  for (let each = StateFloat.runs; each < STATE_FLOATS; each++) {
    const value = floats[at + each] as number;
    if (!(value >= 0 && value <= 0xffffff && Number.isInteger(value))) return false;
  }
  const usual = floats[at + StateFloat.usual] as number;
  const time = floats[at + StateFloat.at] as number;
  return (
    (floats[at + StateFloat.low] as number) <= usual &&
    usual <= (floats[at + StateFloat.high] as number) &&
    (floats[at + StateFloat.age] as number) >= 0 &&
    (floats[at + StateFloat.recentSpread] as number) >= 0 &&
    (floats[at + StateFloat.logSpreadRange] as number) >= 0 &&
    Math.abs(floats[at + StateFloat.usualLogSpread] as number) < 100 &&
    time >= 0 &&
    time <= TIME_WRAP_S
  );
}

/** Above what values may be, see scorer.ts, and below what a float holds. */
const MOST_SUM = 1e33;
