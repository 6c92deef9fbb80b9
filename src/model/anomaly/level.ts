/**
 * What is usual of a metric's level and of its spread.
 *
 * - Samples are clipped before they move an average (Huber, "Robust Estimation of a Location Parameter", 1964), so that a single one
 *   moves nothing far.
 * - The usual range is quantiles of the samples, by stochastic approximation (Robbins and Monro, "A Stochastic
 *   Approximation Method", 1951; for quantiles: Tierney, "A Space-Efficient Recursive Procedure for Estimating a Quantile of an Unknown
 *   Distribution", 1983). It may be wider on one side. Since the range is that of all loads of the last weeks, a load that comes and goes
 *   is no anomaly.
 */
import { Packed, StateFloat, unpack } from './state.ts';

/** Share of a sample in the recent level, and in the recent spread. */
const RECENT_SHARE = 1 / 8;
const SPREAD_SHARE = 1 / 16;
/** A sample counts as at most so many recent spreads away: for the level, and for the spread itself. */
const LEVEL_CLIP = 6;
const SPREAD_CLIP = 3;
/** Deviation of samples without memory as share of their mean step. */
const SAMPLE_PER_STEP = 0.89;
/** Deviation of the recent level as share of that of samples: a quarter if they have no memory; not all of it, since that is a guess. */
const LEAST_AVERAGE = 0.5;
/** … where a usual step is so many times the noise floor: below that, nobody knows whether samples have a memory. */
const NOISY_STEP = 1.2;

/** The usual range leaves out this share on each side … */
const OUTSIDE = 0.003;
/** … which is so many standard deviations of a normal distribution from the middle. */
export const RANGE_SPREADS = 2.75;
/** One side of the range counts for the other at this share. */
const OTHER_SIDE = 0.25;
/** How fast the range is learned, in spreads per sample: as slowly as the age says, within limits. */
const FASTEST = 0.05;
const SLOWEST = 0.001;
const LEARNS_OVER = 40;
/** What is out of the range also widens it by a share of its distance: a state that is young knows little. */
const WIDENS_FASTEST = 1 / 10;
const WIDENS_OVER = 12;
/** … which counts as at most so many spreads. */
const WIDENS_CLIP = 10;
/** The same of an anomaly at least, so that one that stays, or comes again, is usual in time. */
const WIDENS_IN_ANOMALY = 1 / 600;
/** An anomaly that is accepted may go that much farther. */
const ACCEPTED_RANGE = 1.5;
/** The usual variation of the spread (logarithm) is never taken for smaller. */
const LEAST_LOG_RANGE = 0.2;

/** Only averages are formed before so many samples. */
const FIRST_SAMPLES = 60;
const MOST_AGE = 1e6;

/** How a sample compares with what was usual before it: distances are in usual spreads. */
export class Comparison {
  /** Of the recent level. */
  level = 0;
  /** Of the sample alone, which varies more. */
  sample = 0;
  /** Of the recent spread, and how many times the usual it is. */
  spread = 0;
  spreadRatio = 1;
  /** The usual level, in the metric's unit. */
  usual = 0;
  /** One usual spread of samples, and a usual step between two of them. */
  scale = 0;
  step = 0;
}

/** Begins anew with what is known from elsewhere, instead of with what was learned. */
export function beginLevel(floats: Float32Array, at: number, usual: number, spread: number, age: number): void {
  floats[at + StateFloat.recent] = usual;
  floats[at + StateFloat.recentSpread] = spread;
  floats[at + StateFloat.low] = usual - RANGE_SPREADS * spread;
  floats[at + StateFloat.usual] = usual;
  floats[at + StateFloat.high] = usual + RANGE_SPREADS * spread;
  floats[at + StateFloat.usualLogSpread] = Math.log(Math.max(spread, 1e-30));
  floats[at + StateFloat.logSpreadRange] = RANGE_SPREADS * LEAST_LOG_RANGE;
  floats[at + StateFloat.age] = age;
}

/**
 * Compares a sample with what is usual, and learns from it.
 * @param value in the metric's unit
 * @param step from the sample before
 * @param least the noise floor in the metric's unit, and `share` of the usual level on top
 * @param weight how much time the sample stands for, in samples of 5 s
 */
export function learnLevel(
  floats: Float32Array,
  at: number,
  value: number,
  step: number,
  least: number,
  share: number,
  weight: number,
  into: Comparison,
): void {
  const age = floats[at + StateFloat.age] as number;
  const reference = floats[at + StateFloat.reference] as number;
  const x = value - reference;
  let usual = floats[at + StateFloat.usual] as number;
  const floor = least + share * Math.abs(age === 0 ? value : usual + reference);
  const stepFloor = floor / SAMPLE_PER_STEP;

  let recent = age === 0 ? x : (floats[at + StateFloat.recent] as number);
  let spread = floats[at + StateFloat.recentSpread] as number;
  const atFirst = 1 / (age + 1);
  const clip = Math.max(spread, stepFloor);
  recent += Math.max(RECENT_SHARE, atFirst) * Math.min(Math.max(x - recent, -LEVEL_CLIP * clip), LEVEL_CLIP * clip);
  spread += Math.max(SPREAD_SHARE, atFirst) * (Math.min(Math.abs(step), SPREAD_CLIP * clip) - spread);
  floats[at + StateFloat.recent] = recent;
  floats[at + StateFloat.recentSpread] = spread;
  floats[at + StateFloat.age] = Math.min(age + weight, MOST_AGE);

  const logSpread = Math.log(Math.max(spread, stepFloor));
  if (age < FIRST_SAMPLES) {
    const range = RANGE_SPREADS * Math.max(SAMPLE_PER_STEP * spread, floor);
    floats[at + StateFloat.usual] = recent;
    floats[at + StateFloat.low] = recent - range;
    floats[at + StateFloat.high] = recent + range;
    floats[at + StateFloat.usualLogSpread] = logSpread;
    floats[at + StateFloat.logSpreadRange] = RANGE_SPREADS * LEAST_LOG_RANGE;
    into.level = 0;
    into.sample = 0;
    into.spread = 0;
    into.spreadRatio = 1;
    into.usual = recent + reference;
    into.scale = range / RANGE_SPREADS;
    into.step = spread;
    return;
  }
  let low = floats[at + StateFloat.low] as number;
  let high = floats[at + StateFloat.high] as number;
  let usualLog = floats[at + StateFloat.usualLogSpread] as number;
  let logRange = floats[at + StateFloat.logSpreadRange] as number;
  const above = (high - usual) / RANGE_SPREADS;
  const below = (usual - low) / RANGE_SPREADS;
  const toHigh = Math.max(above, OTHER_SIDE * below, floor);
  const toLow = Math.max(below, OTHER_SIDE * above, floor);
  into.sample = (x - usual) / (x >= usual ? toHigh : toLow);
  // What varies from sample to sample varies less in their average, what varies slowly does not.
  into.scale = Math.max((high - low) / (2 * RANGE_SPREADS), floor);
  into.step = Math.exp(usualLog);
  const quick = into.step > NOISY_STEP * stepFloor ? Math.min(1, (SAMPLE_PER_STEP * into.step) / into.scale) : 0;
  const slow = Math.max(LEAST_AVERAGE, Math.sqrt(1 - quick * quick));
  into.level = (recent - usual) / Math.max(slow * (recent >= usual ? toHigh : toLow), floor);
  const spreadScale = Math.max(logRange / RANGE_SPREADS, LEAST_LOG_RANGE);
  into.spread = (logSpread - usualLog) / spreadScale;
  into.spreadRatio = Math.exp(logSpread - usualLog);
  into.usual = usual + reference;

  const isAnomaly = unpack(floats, at, Packed.isAnomaly) === 1;
  const rate = Math.min(Math.max(LEARNS_OVER / age, SLOWEST), FASTEST) * weight;
  const move = rate * into.scale;
  const widens = weight * Math.max(Math.min(WIDENS_OVER / age, WIDENS_FASTEST), isAnomaly ? WIDENS_IN_ANOMALY : 0);
  high +=
    x > high ? Math.max(move * (1 - OUTSIDE), widens * Math.min(x - high, WIDENS_CLIP * toHigh)) : -move * OUTSIDE;
  low -= x < low ? Math.max(move * (1 - OUTSIDE), widens * Math.min(low - x, WIDENS_CLIP * toLow)) : -move * OUTSIDE;
  const logMove = rate * spreadScale;
  const logAway = logSpread - usualLog - logRange;
  logRange += logAway > 0 ? Math.max(logMove * (1 - OUTSIDE), widens * logAway) : -logMove * OUTSIDE;
  if (!isAnomaly) {
    const middle = Math.min(Math.abs(x - usual), move / 4);
    usual += x > usual ? middle : -middle;
    usualLog += logSpread > usualLog ? logMove / 4 : -logMove / 4;
  }
  floats[at + StateFloat.usual] = usual;
  floats[at + StateFloat.low] = Math.min(low, Math.fround(usual));
  floats[at + StateFloat.high] = Math.max(high, Math.fround(usual));
  floats[at + StateFloat.usualLogSpread] = usualLog;
  floats[at + StateFloat.logSpreadRange] = Math.max(0, logRange);
}

/** What it does now is in the usual range from now on, as what was before. */
export function acceptLevel(floats: Float32Array, at: number): void {
  const recent = floats[at + StateFloat.recent] as number;
  const usual = floats[at + StateFloat.usual] as number;
  const low = floats[at + StateFloat.low] as number;
  const high = floats[at + StateFloat.high] as number;
  if (recent > usual) floats[at + StateFloat.high] = usual + ACCEPTED_RANGE * Math.max(high - usual, recent - usual);
  else floats[at + StateFloat.low] = usual - ACCEPTED_RANGE * Math.max(usual - low, usual - recent);
  const spread = floats[at + StateFloat.recentSpread] as number;
  const log = floats[at + StateFloat.usualLogSpread] as number;
  const range = floats[at + StateFloat.logSpreadRange] as number;
  if (spread > 0) floats[at + StateFloat.logSpreadRange] = Math.min(50, Math.max(range, Math.log(spread) - log));
}
