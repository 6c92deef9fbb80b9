/** Detectors that read a series from its first sample to its last: ours, and what people use otherwise. */

import { scoredIntervalS } from '../../src/model/anomaly/heartbeat-interval.ts';
import { HOURS_OF_WEEK } from '../../src/model/anomaly/hour-of-week.ts';
import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { scorePeer } from '../../src/model/anomaly/peers.ts';
import { ANOMALY_SCORE, expectValue, Scorer } from '../../src/model/anomaly/scorer.ts';
import { type Expected, expectedIn, learnHour, SEASONAL_FLOATS } from '../../src/model/anomaly/seasonal.ts';
import { STATE_FLOATS } from '../../src/model/anomaly/state.ts';
import { DAY_S, HOUR_S, STEP_S } from './bases.ts';
import type { Series } from './series.ts';

/** Less sure seasons are not told to lanes. */
export const LEAST_SURENESS = 0.5;

/** @returns samples at which it begins to call the series anomalous */
export type Detector = (series: Series) => number[];

/** Pulselane's: as in a master, with the seasonal baseline and, in a group, beside the others. */
export const pulselane: Detector = ({ kind, hours, timesS, values, group }) => {
  const floats = new Float32Array(STATE_FLOATS);
  const scorer = new Scorer();
  const season = new Float32Array(SEASONAL_FLOATS);
  const expected: Expected = { value: Number.NaN, sureness: 0 };
  for (const [hour, mean] of hours.entries()) learnHour(season, 0, hour % HOURS_OF_WEEK, mean);
  const alarms: number[] = [];
  let [wasAnomaly, hour] = [false, -1];
  for (let sample = 0; sample < values.length; sample++) {
    const atS = timesS[sample] as number;
    const value = scoredOf(kind, values[sample] as number);
    if (group !== undefined) {
      const level = { median: group.medians[sample] as number, spread: group.spreads[sample] as number };
      scorePeer(scorer, floats, 0, kind, atS * 1000, value, level);
    } else {
      if (hours.length > 0 && Math.floor(atS / HOUR_S) !== hour) {
        hour = Math.floor(atS / HOUR_S);
        expectedIn(season, 0, hour % HOURS_OF_WEEK, expected);
        expectValue(floats, 0, expected.sureness >= LEAST_SURENESS ? expected.value : Number.NaN);
      }
      scorer.take(floats, 0, kind, atS * 1000, value);
    }
    const isAnomaly = scorer.score >= ANOMALY_SCORE;
    if (isAnomaly && !wasAnomaly) alarms.push(sample);
    wasAnomaly = isAnomaly;
  }
  return alarms;
};

/** What a lane scores of a value: heartbeats that come early are on time. */
export function scoredOf(kind: MetricKind, value: number): number {
  return kind === MetricKind.interval ? scoredIntervalS(value * 1000, STEP_S * 1000, STEP_S * 1000) : value;
}

/** An alarm needs so many samples in a row out of the limits, and is over after as many within them. */
interface Agreement {
  readonly samples: number;
}

/** Limits that the last day had, and something on top, as of somebody who looked at it: alarms beyond them. */
export interface FixedThreshold extends Agreement {
  /** Share of the day's range that is added on each side. */
  readonly margin: number;
}

export function fixedThreshold({ margin, samples }: FixedThreshold): Detector {
  return (series) => {
    const values = judgedOf(series);
    const learned = learnedSamples(series);
    // Without the highest and the lowest thousandth: they may be errors of a sensor.
    const sorted = values.subarray(0, learned).toSorted();
    const [low, high] = [sorted[Math.floor(learned / 1000)] as number, sorted[Math.floor(learned * 0.999)] as number];
    const [least, most] = [low - margin * (high - low), high + margin * (high - low)];
    return alarmsWhere(values, learned, samples, (sample) => {
      const value = values[sample] as number;
      return value < least || value > most;
    });
  };
}

/** Mean and deviation of the last samples: alarms so many deviations away. */
export interface ThreeSigma extends Agreement {
  readonly sigmas: number;
  /** In samples. */
  readonly window: number;
}

export function threeSigma({ sigmas, window, samples }: ThreeSigma): Detector {
  return (series) => {
    const values = judgedOf(series);
    const recent = new RecentMean(values, window);
    return alarmsWhere(values, learnedSamples(series), samples, (sample) => {
      const { mean, deviation } = recent.before(sample);
      return Math.abs((values[sample] as number) - mean) > sigmas * deviation;
    });
  };
}

/** A chart of an exponentially weighted moving average: Roberts, "Control Chart Tests Based on Geometric Moving Averages", 1959. */
export interface Ewma extends ThreeSigma {
  readonly share: number;
}

export function ewma({ share, sigmas, window, samples }: Ewma): Detector {
  return (series) => {
    const values = judgedOf(series);
    const recent = new RecentMean(values, window);
    let average = values[0] as number;
    const width = sigmas * Math.sqrt(share / (2 - share));
    let known = 0;
    return alarmsWhere(values, learnedSamples(series), samples, (sample) => {
      for (; known <= sample; known++) average += share * ((values[known] as number) - average);
      const { mean, deviation } = recent.before(sample);
      return Math.abs(average - mean) > width * deviation;
    });
  };
}

/** What others judge: of a worker in a group its distance from the others, of a counter its rate. */
function judgedOf({ base, timesS, values, group }: Series): Float64Array {
  if (group !== undefined) return values.map((value, sample) => value - (group.medians[sample] as number));
  if (base !== 'counter') return values;
  return values.map((value, sample) => {
    if (sample === 0) return 0;
    const gapS = (timesS[sample] as number) - (timesS[sample - 1] as number);
    return Math.max(0, value - (values[sample - 1] as number)) / gapS;
  });
}

/** Samples of the day of learning. */
function learnedSamples({ kind, timesS }: Series): number {
  if (kind === MetricKind.interval) return DAY_S / STEP_S;
  const endS = (timesS[0] as number) + DAY_S;
  return timesS.findIndex((atS) => atS >= endS);
}

function alarmsWhere(
  values: Float64Array,
  from: number,
  samples: number,
  isOut: (sample: number) => boolean,
): number[] {
  const alarms: number[] = [];
  let [out, within, isAlarm] = [0, 0, false];
  for (let sample = from; sample < values.length; sample++) {
    if (isOut(sample)) {
      within = 0;
      if (++out >= samples && !isAlarm) {
        alarms.push(sample);
        isAlarm = true;
      }
    } else {
      out = 0;
      // As long as other detectors take to call it over.
      if (++within >= 12) isAlarm = false;
    }
  }
  return alarms;
}

/** Mean and standard deviation of the samples before one, over a window that slides. */
class RecentMean {
  readonly #values: Float64Array;
  readonly #window: number;
  readonly #offset: number;
  #from = 0;
  #to = 0;
  #sum = 0;
  #squares = 0;
  mean = 0;
  deviation = 0;

  constructor(values: Float64Array, window: number) {
    this.#values = values;
    this.#window = window;
    this.#offset = values[0] as number;
  }

  before(sample: number): this {
    for (; this.#to < sample; this.#to++) this.#count(this.#to, 1);
    for (; this.#from < sample - this.#window; this.#from++) this.#count(this.#from, -1);
    const count = this.#to - this.#from;
    const mean = this.#sum / count;
    this.mean = mean + this.#offset;
    this.deviation = Math.sqrt(Math.max(0, this.#squares / count - mean * mean));
    return this;
  }

  #count(sample: number, times: number): void {
    const value = (this.#values[sample] as number) - this.#offset;
    this.#sum += times * value;
    this.#squares += times * value * value;
  }
}

/** With the settings that did best on the half for tuning: see tune.ts. */
export const BASELINES: readonly (readonly [name: string, Detector])[] = [
  ['fixed threshold', fixedThreshold({ margin: 0, samples: 6 })],
  ['3-sigma', threeSigma({ sigmas: 4, window: 360, samples: 3 })],
  ['EWMA', ewma({ share: 0.1, sigmas: 12, window: 360, samples: 3 })],
];
