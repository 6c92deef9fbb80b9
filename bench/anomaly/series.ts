/** A labelled series: weeks that the seasonal baseline learns from, a day in which detectors learn, and then one anomaly. */

import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { GroupLevel } from '../../src/model/anomaly/peers.ts';
import { BASES, type Base, type BaseName, DAY_S, HOUR_S, STEP_S } from './bases.ts';
import { type Course, FAMILIES, type Family, type FamilyName, type Usual } from './families.ts';
import { Random } from './random.ts';

const WEEKS_S = 14 * DAY_S;
/** Where the anomaly begins after the day of learning, unless its family says otherwise. */
const BEGINS_S = [0, 4 * HOUR_S] as const;
/** What follows the anomaly. */
const AFTER_S = HOUR_S;

/** What is normal and looks like an anomaly: single samples far away, lost heartbeats, outages. */
const SPIKE = 1 / (6 * 720);
const LOST = 0.002;
const OUTAGE = 1 / (12 * 720);

export interface Series {
  readonly family: FamilyName;
  readonly base: BaseName;
  readonly seed: number;
  readonly kind: MetricKind;
  /** Mean of each hour of the weeks before the first sample, the oldest first; they begin on a Monday at 0:00. */
  readonly hours: readonly number[];
  /** Seconds since that Monday. */
  readonly timesS: Float64Array;
  readonly values: Float64Array;
  /** Samples of the anomaly: from, and the first one after it. */
  readonly window: readonly [from: number, to: number];
  /** Of a worker in a group: the group's values at each sample. */
  readonly group: { readonly medians: Float64Array; readonly spreads: Float64Array } | undefined;
}

/** The same for the same seed. Seeds whose base has no room for the anomaly are skipped, in a defined way. */
export function seriesOf(family: FamilyName, seed: number): Series {
  for (let attempt = 0; attempt < 100; attempt++) {
    const random = new Random(hashOf(family) + seed * 1000 + attempt);
    const series = tryToMake(family, seed, random);
    if (series !== undefined) return series;
  }
  throw new Error(`no series of ${family} for seed ${seed}`);
}

function tryToMake(familyName: FamilyName, seed: number, random: Random): Series | undefined {
  const family: Family = FAMILIES[familyName];
  const baseName = family.bases[seed % family.bases.length] as BaseName;
  const worker = familyName === 'peers apart' ? groupOf(baseName, random) : aloneOf(BASES[baseName](random));
  const { base } = worker;
  const [least, most] = family.fromS ?? BEGINS_S;
  const startS = Math.floor(random.between(least, most) / STEP_S) * STEP_S + DAY_S;

  const hours: number[] = [];
  const firstS = random.whole(0, 6) * DAY_S + WEEKS_S;
  const usesSeasons = base.kind !== MetricKind.interval;
  if (usesSeasons) {
    for (let hourS = 0; hourS < firstS; hourS += HOUR_S) {
      let sum = 0;
      for (let atS = hourS; atS < hourS + HOUR_S; atS += STEP_S) sum += base.next(atS);
      hours.push(sum / (HOUR_S / STEP_S));
    }
  }

  const [timesS, values, medians, spreads]: [number[], number[], number[], number[]] = [[], [], [], []];
  const day = new Float64Array(DAY_S / STEP_S);
  let course: Course | undefined;
  let window: readonly [number, number] = [0, 0];
  let endS = Number.POSITIVE_INFINITY;
  let outageUntilS = 0;
  const canSpike = base.kind !== MetricKind.interval && baseName !== 'counter';
  let atS = firstS;
  for (let step = 0; atS < endS; step++) {
    const sinceS = step * STEP_S;
    if (base.kind !== MetricKind.interval) atS = firstS + sinceS;
    if (sinceS === startS) {
      course = family.begin(random, usualOf(day), base, atS);
      if (course === undefined) return undefined;
      endS = atS + course.lasts * STEP_S + AFTER_S;
    }
    const during = course === undefined ? -1 : step - startS / STEP_S;
    const goesOn = course !== undefined && during < course.lasts;
    if (goesOn) course?.before?.(during, base);
    let value = worker.next(atS);
    if (step < day.length) day[step] = value;
    if (goesOn && course?.value !== undefined) value = course.value(during, value, atS);
    if (during === course?.lasts) course?.after?.(base);
    if (base.kind === MetricKind.interval) atS += value;
    else {
      const isNormal = course === undefined || during >= course.lasts;
      if (random.isTrue(OUTAGE) && isNormal) outageUntilS = atS + random.between(60, 600);
      if (random.isTrue(LOST) || atS < outageUntilS) {
        if (during >= 0 && course !== undefined) window = windowOf(course, during, values.length, window);
        continue;
      }
      if (canSpike && isNormal && random.isTrue(SPIKE)) value = spiked(random, base, value);
    }
    if (during >= 0 && course !== undefined) window = windowOf(course, during, values.length + 1, window);
    timesS.push(atS);
    values.push(value);
    medians.push(worker.median());
    spreads.push(worker.spread());
  }
  return {
    family: familyName,
    base: baseName,
    seed,
    kind: base.kind,
    hours,
    timesS: Float64Array.from(timesS),
    values: Float64Array.from(values),
    window,
    group:
      familyName === 'peers apart'
        ? { medians: Float64Array.from(medians), spreads: Float64Array.from(spreads) }
        : undefined,
  };
}

/** The window, given that so many samples are there after this one of the course. */
function windowOf(
  { labelled }: Course,
  during: number,
  samples: number,
  [from, to]: readonly [number, number],
): readonly [number, number] {
  return [during === 0 ? samples - 1 : from, during < labelled ? samples : to];
}

function spiked(random: Random, { kind }: Base, value: number): number {
  if (kind === MetricKind.percent) return random.pick([0, 100]);
  return kind === MetricKind.count ? value * random.whole(2, 10) : value * random.between(2, 30);
}

function usualOf(day: Float64Array): Usual {
  const sorted = day.toSorted();
  // A counter's range says nothing.
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] as number;
  return { low: at(0.01), median: at(0.5), high: at(0.99), day };
}

interface Worker {
  readonly base: Base;
  next(atS: number): number;
  median(): number;
  spread(): number;
}

function aloneOf(base: Base): Worker {
  return { base, next: (atS) => base.next(atS), median: () => Number.NaN, spread: () => Number.NaN };
}

/** Workers that share a load: the first one is judged. Each has a level of its own, and noise of its own. */
function groupOf(name: BaseName, random: Random): Worker {
  const shared = BASES[name](random);
  const count = random.whole(7, 15);
  const factors = Array.from({ length: count }, () => random.between(0.85, 1.15));
  const own = random.between(0.03, 0.1);
  const values = new Float64Array(count);
  const level = new GroupLevel();
  return {
    base: shared,
    next(atS) {
      const load = shared.next(atS);
      for (let worker = 0; worker < count; worker++) {
        const value = load * (factors[worker] as number) * (1 + own * random.normal());
        values[worker] =
          shared.kind === MetricKind.any
            ? value
            : shared.kind === MetricKind.count
              ? Math.round(value)
              : Math.min(100, value);
      }
      return values[0] as number;
    },
    median() {
      level.measure(values, count);
      return level.median;
    },
    spread: () => level.spread,
  };
}

function hashOf(text: string): number {
  let hash = 0;
  for (const letter of text) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  return Math.abs(hash % 1e6) * 1e5;
}
