/**
 * Workers that are well for a month: eight metrics each, with seasons, jobs that come and go, lost heartbeats, outages of the network, and a
 * restart of the worker now and then. Whatever is an alarm there is a false one.
 */

import { HOURS_OF_WEEK } from '../../src/model/anomaly/hour-of-week.ts';
import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { ANOMALY_SCORE, expectValue, Scorer } from '../../src/model/anomaly/scorer.ts';
import { type Expected, expectedIn, learnHour, SEASONAL_FLOATS } from '../../src/model/anomaly/seasonal.ts';
import { STATE_FLOATS } from '../../src/model/anomaly/state.ts';
import { BASES, type Base, type BaseName, DAY_S, HOUR_S, STEP_S } from './bases.ts';
import { LEAST_SURENESS, scoredOf } from './detectors.ts';
import { Random } from './random.ts';

/** What kinds of workers there are; each has an interval between heartbeats, too. */
export const WORKERS: readonly (readonly BaseName[])[] = [
  // A service.
  ['cpuDay', 'memorySteady', 'storage', 'gpuIdle', 'queue', 'latency', 'counter'],
  // A machine for jobs.
  ['cpuBurst', 'memoryJobs', 'storage', 'gpuIdle', 'queue', 'temperature', 'counter'],
  // A trainer.
  ['cpuDay', 'memoryJobs', 'storage', 'gpu', 'queue', 'temperature', 'latency'],
  // One with nothing to do.
  ['cpuIdle', 'memorySteady', 'storage', 'gpuIdle', 'tasksNone', 'temperature', 'counter'],
  // A program with a garbage collector, that works by the clock.
  ['beat', 'memorySaw', 'storage', 'gpuIdle', 'queue', 'latency', 'counter'],
  // A machine with the same job again and again, and nothing between.
  ['cpuBurst', 'memoryJobs', 'storage', 'gpuRest', 'tasksRest', 'temperature', 'counter'],
];
export const METRICS = 8;

export interface CleanMonth {
  readonly worker: number;
  readonly samples: number;
  /** Alarms of each metric. */
  readonly alarms: readonly { readonly metric: BaseName; readonly atS: number; readonly code: number }[];
  /** Those that a user sees: the largest score of the worker becomes an anomaly. */
  readonly workerAlarms: number;
}

/** Lost heartbeats, each for itself; outages of the network in a month; restarts of the worker in a month. */
const LOST = 0.001;
const OUTAGES = 4;
const RESTARTS = 2;

/** @param seed also decides which kind of worker */
export function cleanMonth(seed: number, days = 30): CleanMonth {
  const random = new Random(seed * 7919 + 13);
  const worker = seed % WORKERS.length;
  const names: readonly BaseName[] = [...(WORKERS[worker] as readonly BaseName[]), 'interval'];
  const bases: Base[] = names.map((name) => BASES[name](random));
  const floats = new Float32Array(METRICS * STATE_FLOATS);
  const seasons = new Float32Array(METRICS * SEASONAL_FLOATS);
  const expected: Expected = { value: Number.NaN, sureness: 0 };
  const scorer = new Scorer();
  const alarms: { metric: BaseName; atS: number; code: number }[] = [];
  const was = names.map(() => false);
  const sums = new Float64Array(METRICS);
  let [workerAlarms, wasWorker, samples, counted, hour, outageUntilS, lastS] = [0, false, 0, 0, 0, 0, 0];
  for (let atS = 0; atS < days * DAY_S; atS += STEP_S) {
    if (random.isTrue((OUTAGES * STEP_S) / (30 * DAY_S))) outageUntilS = atS + random.between(30, 1200);
    let isDown = false;
    if (random.isTrue((RESTARTS * STEP_S) / (30 * DAY_S))) {
      for (const base of bases) base.restart?.();
      outageUntilS = Math.max(outageUntilS, atS + random.between(10, 90));
      isDown = true;
    }
    const isThere = !isDown && atS >= outageUntilS && !random.isTrue(LOST);
    const values = bases.map((base) => base.next(atS));
    const now = Math.floor(atS / HOUR_S);
    if (now !== hour) {
      for (let metric = 0; metric < METRICS; metric++) {
        const at = metric * SEASONAL_FLOATS;
        if (counted > 0) learnHour(seasons, at, hour % HOURS_OF_WEEK, (sums[metric] as number) / counted);
        expectedIn(seasons, at, now % HOURS_OF_WEEK, expected);
        if (bases[metric]?.kind === MetricKind.interval) continue;
        expectValue(floats, metric * STATE_FLOATS, expected.sureness >= LEAST_SURENESS ? expected.value : Number.NaN);
      }
      sums.fill(0);
      counted = 0;
      hour = now;
    }
    if (!isThere) continue;
    const gapS = atS - lastS;
    lastS = atS;
    counted++;
    let largest = 0;
    for (let metric = 0; metric < METRICS; metric++) {
      const { kind } = bases[metric] as Base;
      let value = values[metric] as number;
      // The base has its own lost heartbeats; here they are those of all metrics.
      if (kind === MetricKind.interval) value = gapS + random.between(-0.05, 0.05);
      sums[metric] = (sums[metric] as number) + value;
      const score = scorer.take(floats, metric * STATE_FLOATS, kind, atS * 1000, scoredOf(kind, value));
      largest = Math.max(largest, score);
      const isAnomaly = score >= ANOMALY_SCORE;
      if (isAnomaly && !was[metric]) alarms.push({ metric: names[metric] as BaseName, atS, code: scorer.code });
      was[metric] = isAnomaly;
    }
    samples++;
    const isWorker = largest >= ANOMALY_SCORE;
    if (isWorker && !wasWorker) workerAlarms++;
    wasWorker = isWorker;
  }
  return { worker, samples, alarms, workerAlarms };
}
