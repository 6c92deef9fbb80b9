/** Metrics that usually vary, but stand exactly still: sensors that froze. */
import { MetricKind } from './metric-kind.ts';
import { Packed, pack, unpack } from './state.ts';

/** At least so many samples, and so many times as long as the metric has stood still before. */
const LEAST = 36;
const TIMES = 4;
/** A metric that stands still for longer is constant by nature. */
const MOST = 2047;
/** The longest run is shorter by one after so many samples: half of it is forgotten in some weeks. */
const FORGETS_AFTER = 256;

export interface Stillness {
  /** Samples with the value of the one before. */
  run: number;
  /** From 0; 1 and more is a sensor that froze. */
  share: number;
}

/** @param age of the state before this sample, and after it */
export function learnStillness(
  floats: Float32Array,
  at: number,
  kind: MetricKind,
  isSame: boolean,
  value: number,
  warmUp: number,
  age: number,
  ageAfter: number,
  into: Stillness,
): void {
  let run = unpack(floats, at, Packed.run);
  let longest = unpack(floats, at, Packed.longestRun);
  // Idle, and full, is no fault.
  const isIdle = value === 0 || (kind === MetricKind.percent && value >= 100);
  if (age === 0) run = 0;
  else if (isIdle) {
    // Also how long it stands between two times of rest is usual.
    longest = Math.max(longest, run);
    run = 0;
  } else if (isSame) run++;
  else {
    longest = Math.max(longest, run, 1);
    run = 0;
    if (Math.floor(age / FORGETS_AFTER) !== Math.floor(ageAfter / FORGETS_AFTER) && longest > 1) longest--;
  }
  const needed = Math.max(LEAST, TIMES * longest);
  // Before the first change nobody knows whether it varies.
  const isKnown = longest > 0 && needed <= MOST && age > warmUp;
  if (!isKnown && longest > 0) longest = Math.max(longest, run);
  pack(floats, at, Packed.run, run);
  pack(floats, at, Packed.longestRun, longest);
  into.run = run;
  into.share = isKnown ? run / needed : 0;
}

/** It may stand still as long as it does now. */
export function acceptStillness(floats: Float32Array, at: number): void {
  pack(floats, at, Packed.longestRun, Math.max(unpack(floats, at, Packed.longestRun), unpack(floats, at, Packed.run)));
}
