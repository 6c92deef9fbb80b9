/**
 * What is usual of a metric at each hour of the week, from hourly rollups: the seasonal baseline. One metric's is
 * {@link SEASONAL_FLOATS} floats of 32 bits, 1456 bytes, in memory that the caller gives; all zero has learned nothing.
 *
 * Each hour's level is an average over the last weeks in which a week counts at most so much (Holt, "Forecasting Seasonals and
 * Trends by Exponentially Weighted Moving Averages", 1957; Winters 1960), each clipped, so that a holiday changes little.
 */
import { HOURS_OF_WEEK } from './hour-of-week.ts';

/** Counts of weeks: 4 bits for each hour, 6 hours in a float, which has whole numbers below 2^24 exactly. */
const COUNTS_IN_FLOAT = 6;
const MOST_WEEKS = 15;
const LEVELS = 0;
const SPREADS = HOURS_OF_WEEK;
const COUNTS = 2 * HOURS_OF_WEEK;
export const SEASONAL_FLOATS = COUNTS + HOURS_OF_WEEK / COUNTS_IN_FLOAT;

/** The last weeks that count: a week more than that ago counts little. */
const WEEKS = 5;
/** A week is clipped to so many spreads, from the third one on. */
const CLIP = 3;
/** The spread of a week is not taken for smaller than this share of the level, when clipping. */
const LEAST_SHARE = 0.05;
/** Of an hour that was seen in fewer weeks nothing is expected: whatever was the same hour of other days, weekends are no weekdays. */
const WEEKS_NEEDED = 2;
const MOST_VALUE = 1e30;

export interface Expected {
  /** NaN: nothing is known. */
  value: number;
  /** From 0 to 1: how much of what the metric does is explained by the hour, and how often that was seen. */
  sureness: number;
}

/** Adds one hour's mean. @param hour of the week, from {@link HourOfWeek} */
export function learnHour(floats: Float32Array, at: number, hour: number, mean: number): void {
  if (!Number.isFinite(mean) || Math.abs(mean) > MOST_VALUE) return;
  const weeks = weeksOf(floats, at, hour);
  if (weeks === 0) {
    floats[at + LEVELS + hour] = mean;
    floats[at + SPREADS + hour] = 0;
  } else {
    const level = floats[at + LEVELS + hour] as number;
    const spread = floats[at + SPREADS + hour] as number;
    const most = weeks < 3 ? Number.POSITIVE_INFINITY : CLIP * Math.max(spread, LEAST_SHARE * Math.abs(level));
    const away = Math.min(Math.max(mean - level, -most), most);
    floats[at + LEVELS + hour] = level + away / Math.min(weeks + 1, WEEKS);
    floats[at + SPREADS + hour] = spread + (Math.abs(away) - spread) / Math.min(weeks, WEEKS);
  }
  setWeeks(floats, at, hour, Math.min(weeks + 1, MOST_WEEKS));
}

/** What the metric is expected to be in that hour of the week, into `into`. */
export function expectedIn(floats: Float32Array, at: number, hour: number, into: Expected): void {
  const weeks = weeksOf(floats, at, hour);
  const isKnown = weeks >= WEEKS_NEEDED;
  into.value = isKnown ? (floats[at + LEVELS + hour] as number) : Number.NaN;
  into.sureness = isKnown ? (explained(floats, at) * weeks) / (weeks + 1) : 0;
}

/** Share of the variation between hours that is not variation between weeks. */
function explained(floats: Float32Array, at: number): number {
  let [sum, hours] = [0, 0];
  for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
    if (weeksOf(floats, at, hour) < WEEKS_NEEDED) continue;
    sum += floats[at + SPREADS + hour] as number;
    hours++;
  }
  const all = spreadOfHours(floats, at);
  return all > 0 && hours > 0 ? Math.max(0, 1 - sum / hours / all) : 0;
}

/** Standard deviation of the hours' levels. */
function spreadOfHours(floats: Float32Array, at: number): number {
  let [sum, hours] = [0, 0];
  for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
    if (weeksOf(floats, at, hour) === 0) continue;
    sum += floats[at + LEVELS + hour] as number;
    hours++;
  }
  const mean = hours === 0 ? 0 : sum / hours;
  let squares = 0;
  for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
    if (weeksOf(floats, at, hour) > 0) squares += ((floats[at + LEVELS + hour] as number) - mean) ** 2;
  }
  return hours === 0 ? 0 : Math.sqrt(squares / hours);
}

function weeksOf(floats: Float32Array, at: number, hour: number): number {
  const packed = (floats[at + COUNTS + Math.floor(hour / COUNTS_IN_FLOAT)] as number) | 0;
  return (packed >>> (4 * (hour % COUNTS_IN_FLOAT))) & 15;
}

function setWeeks(floats: Float32Array, at: number, hour: number, weeks: number): void {
  const index = at + COUNTS + Math.floor(hour / COUNTS_IN_FLOAT);
  const shift = 4 * (hour % COUNTS_IN_FLOAT);
  floats[index] = (((floats[index] as number) | 0) & ~(15 << shift)) | (weeks << shift);
}
