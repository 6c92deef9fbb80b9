/**
 * Kinds of anomalies, as they are put into a metric that is otherwise as usual. Sizes are multiples of the metric's usual range: from its
 * 1st to its 99th percentile over a day.
 */
import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { type Base, type BaseName, DAY_S, HOUR_S } from './bases.ts';
import type { Random } from './random.ts';

/** What the metric did on the day before. */
export interface Usual {
  readonly low: number;
  readonly median: number;
  readonly high: number;
  /** Its values of that day, one for each 5 s. */
  readonly day: Float64Array;
}

/** An anomaly that goes on: what it makes of a sample. */
export interface Course {
  /** In samples, from the first one that is not as usual. An alarm belongs to it until shortly after the last. */
  readonly labelled: number;
  /** In samples, of which some may come after the labelled ones. */
  readonly lasts: number;
  /** Called for each of its samples, before the base makes it. */
  before?(sample: number, base: Base): void;
  /** @returns what the sample is instead; NaN: it never comes */
  value?(sample: number, usual: number, atS: number): number;
  /** Called after its last sample. */
  after?(base: Base): void;
}

export interface Family {
  readonly bases: readonly BaseName[];
  /** Where it may begin: seconds after the day of learning. */
  readonly fromS?: readonly [least: number, most: number];
  /** @returns undefined if it has no room in this metric */
  begin(random: Random, usual: Usual, base: Base, startS: number): Course | undefined;
}

const MINUTE = 12;
const HOUR = 720;

/** The usual range, not smaller than what anybody would call a change. */
function rangeOf({ low, median, high }: Usual, { kind }: Base): number {
  const least = kind === MetricKind.percent ? 5 : kind === MetricKind.count ? 3 : 0.1 * Math.abs(median);
  return Math.max(high - low, least);
}

/** A move of the level by that much, up or down as there is room; undefined if there is none. */
function moveOf(random: Random, usual: Usual, base: Base, size: number): number | undefined {
  const most = base.kind === MetricKind.percent ? 100 - usual.high : Number.POSITIVE_INFINITY;
  const least = base.kind === MetricKind.percent || base.kind === MetricKind.count ? usual.low : 0.9 * usual.low;
  const ways = [size <= most ? size : undefined, size <= least ? -size : undefined].filter((way) => way !== undefined);
  return ways.length === 0 ? undefined : random.pick(ways);
}

const bounded = ({ kind }: Base, value: number): number =>
  kind === MetricKind.percent
    ? Math.round(Math.min(100, Math.max(0, value)) * 10) / 10
    : kind === MetricKind.count
      ? Math.max(0, Math.round(value))
      : Math.max(0, value);

export const FAMILIES = {
  /** The level moves at once, and stays for minutes or for good. */
  'level shift': {
    bases: ['cpuDay', 'memorySteady', 'memorySaw', 'memoryJobs', 'temperature', 'latency', 'queue', 'beat', 'counter'],
    begin(random, usual, base, _startS) {
      const lasts = random.isTrue(0.5) ? random.whole(3 * MINUTE, 20 * MINUTE) : 2 * HOUR;
      const labelled = Math.min(lasts, 10 * MINUTE);
      if (base.restart !== undefined && base.kind === MetricKind.any) {
        const pace = random.isTrue(0.5) ? random.between(0.05, 0.25) : random.between(3, 6);
        return {
          labelled,
          lasts,
          before: (sample, counted) => {
            if (sample === 0) counted.pace = pace;
          },
          after: (counted) => {
            counted.pace = 1;
          },
        };
      }
      const move = moveOf(random, usual, base, random.between(0.8, 1.8) * rangeOf(usual, base));
      if (move === undefined) return undefined;
      return { labelled, lasts, value: (_sample, value) => bounded(base, value + move) };
    },
  },

  /** The level moves slowly, over an hour or several, as of a leak. */
  drift: {
    bases: ['memorySteady', 'cpuDay', 'temperature', 'latency', 'storage', 'memorySaw'],
    begin(random, usual, base, _startS) {
      const move = moveOf(random, usual, base, random.between(1.2, 2.5) * rangeOf(usual, base));
      if (move === undefined) return undefined;
      const over = random.whole(0.5 * HOUR, 4 * HOUR);
      return {
        labelled: over,
        lasts: over + 0.5 * HOUR,
        value: (sample, value) => bounded(base, value + move * Math.min(1, sample / over)),
      };
    },
  },

  /** A few samples far away; a single one is none. */
  spike: {
    bases: ['cpuDay', 'cpuIdle', 'latency', 'queue', 'temperature', 'memorySteady'],
    begin(random, usual, base, _startS) {
      const move = moveOf(random, usual, base, random.between(1.5, 4) * rangeOf(usual, base));
      if (move === undefined) return undefined;
      const lasts = random.whole(4, 12);
      return {
        labelled: lasts,
        lasts,
        value: (_sample, value) => bounded(base, value + move * random.between(0.8, 1.2)),
      };
    },
  },

  /** It stands exactly still, though it usually varies. */
  'flat line': {
    bases: ['cpuDay', 'memorySaw', 'temperature', 'latency', 'beat', 'memorySteady'],
    begin(random, _usual, _base, _startS) {
      const lasts = random.whole(6 * MINUTE, HOUR);
      let stands = Number.NaN;
      return {
        labelled: lasts,
        lasts,
        value: (sample, value) => {
          if (sample === 0) stands = value;
          return stands;
        },
      };
    },
  },

  /** What comes every day does not come, or comes at the wrong hour; or an oscillation begins that never was. */
  periodic: {
    bases: ['cpuDay', 'latency', 'queue', 'temperature', 'memorySteady'],
    fromS: [0, 20 * HOUR_S],
    begin(random, usual, base, startS) {
      const range = rangeOf(usual, base);
      if (random.isTrue(0.4)) {
        const period = random.between(1.5 * MINUTE, 8 * MINUTE);
        const height = 0.8 * range;
        if (base.kind === MetricKind.percent && (usual.high + height > 100 || usual.low < height)) return undefined;
        const lasts = random.whole(6 * period, 12 * period);
        return {
          labelled: lasts,
          lasts,
          value: (sample, value) => bounded(base, value + height * Math.sin((2 * Math.PI * sample) / period)),
        };
      }
      // As it was half a day away, for some hours, if that makes a difference of at least half the usual range.
      const lasts = random.whole(HOUR, 3 * HOUR);
      const day = usual.day.length;
      const from = Math.floor(((startS % DAY_S) / DAY_S) * day);
      const other = (sample: number) => usual.day[(from + sample + Math.floor(day / 2)) % day] as number;
      let difference = 0;
      for (let sample = 0; sample < lasts; sample += MINUTE) {
        difference += (other(sample) - (usual.day[(from + sample) % day] as number)) / (lasts / MINUTE);
      }
      if (Math.abs(difference) < 0.5 * range) return undefined;
      return { labelled: lasts, lasts, value: (sample) => other(sample) };
    },
  },

  /** A good part of the heartbeats is lost for some minutes. */
  'missed beats': {
    bases: ['interval'],
    begin(random, _usual, _base, _startS) {
      const lasts = random.whole(4 * MINUTE, 20 * MINUTE);
      const lost = random.between(0.35, 0.7);
      return {
        labelled: lasts,
        lasts,
        value: (_sample, value) => {
          let gapS = value;
          while (random.isTrue(lost)) gapS += 5;
          return gapS;
        },
      };
    },
  },

  /** It goes up and down faster, or more slowly. */
  'changed period': {
    bases: ['memorySaw', 'beat', 'gpu'],
    begin(random, _usual, _base, _startS) {
      const pace = random.isTrue(0.5) ? random.between(0.3, 0.5) : random.between(2, 3.3);
      const lasts = 3 * HOUR;
      return {
        labelled: lasts,
        lasts,
        before: (sample, base) => {
          if (sample === 0) base.pace = pace;
        },
        after: (base) => {
          base.pace = 1;
        },
      };
    },
  },

  /** The noise grows to several times what it was. */
  'growing variance': {
    bases: ['cpuDay', 'memorySteady', 'latency', 'temperature'],
    begin(random, _usual, _base, _startS) {
      const factor = random.between(3, 6);
      const grows = random.whole(2 * MINUTE, 20 * MINUTE);
      const lasts = grows + random.whole(10 * MINUTE, 40 * MINUTE);
      return {
        labelled: lasts,
        lasts,
        before: (sample, base) => {
          base.noiseFactor = 1 + (factor - 1) * Math.min(1, sample / grows);
        },
        after: (base) => {
          base.noiseFactor = 1;
        },
      };
    },
  },

  /** A worker of a group leaves what the others do, mostly within what was usual for it over the day. */
  'peers apart': {
    bases: ['cpuDay', 'queue', 'latency'],
    begin(random, usual, base, _startS) {
      const lasts = random.whole(5 * MINUTE, HOUR);
      const slow = random.isTrue(0.3) ? lasts / 3 : 0;
      const share = random.isTrue(0.5) ? random.between(0.1, 0.5) : random.between(1.7, 2.5);
      const labelled = lasts;
      const least = 0.25 * rangeOf(usual, base);
      return {
        labelled,
        lasts,
        value: (sample, value) => {
          const grown = slow === 0 ? 1 : Math.min(1, sample / slow);
          const moved = (share - 1) * value;
          const move = Math.sign(moved) * Math.max(Math.abs(moved), least);
          return bounded(base, value + grown * move);
        },
      };
    },
  },
} as const satisfies Record<string, Family>;
export type FamilyName = keyof typeof FAMILIES;
export const FAMILY_NAMES = Object.keys(FAMILIES).toSorted() as FamilyName[];
