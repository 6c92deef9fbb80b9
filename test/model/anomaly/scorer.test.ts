import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MetricKind } from '../../../src/model/anomaly/metric-kind.ts';
import { ReasonCode } from '../../../src/model/anomaly/reason.ts';
import { ACCEPTED_AFTER, ANOMALY_SCORE, expectValue, Scorer } from '../../../src/model/anomaly/scorer.ts';
import { STATE_BYTES, STATE_FLOATS, StateFloat } from '../../../src/model/anomaly/state.ts';
import { repetitions } from '../../support/repetitions.ts';

const STEP_MS = 5000;
/** Samples until the model has learned what is usual: a day. */
const LEARNED = 17_280;
const kinds = fc.constantFrom(...Object.values(MetricKind));

/** Noise without a generator's state: the same for the same sample. */
function noise(sample: number): number {
  let sum = 0;
  for (let part = 0; part < 4; part++)
    sum += ((Math.imul(sample * 4 + part + 1, 2_654_435_761) >>> 8) & 0xffff) / 0xffff;
  return (sum - 2) * Math.sqrt(3);
}

class Series {
  readonly floats = new Float32Array(3 * STATE_FLOATS);
  readonly scorer = new Scorer();
  readonly kind: MetricKind;
  samples = 0;

  constructor(kind: MetricKind = MetricKind.percent) {
    this.kind = kind;
  }

  take(value: number): number {
    return this.scorer.take(this.floats, STATE_FLOATS, this.kind, this.samples++ * STEP_MS, value);
  }

  /** @returns codes of the samples that were anomalies */
  takeAll(count: number, valueAt: (sample: number) => number): Set<number> {
    const codes = new Set<number>();
    for (let sample = 0; sample < count; sample++) {
      if (this.take(valueAt(this.samples)) >= ANOMALY_SCORE) codes.add(this.scorer.code);
    }
    return codes;
  }

  float(which: number): number {
    return this.floats[STATE_FLOATS + which] as number;
  }
}

const usual = (sample: number) => 40 + 2 * noise(sample);

test('a metric takes 64 bytes', () => {
  expect(STATE_BYTES).toBe(64);
});

test('noise alone is no anomaly, and a shift of the level is one after some samples, with the reason', () => {
  const series = new Series();
  expect(series.takeAll(LEARNED, usual)).toEqual(new Set());
  let samples = 0;
  while (series.take(usual(series.samples) + 20) < ANOMALY_SCORE) samples++;
  expect(samples).toBeGreaterThanOrEqual(2);
  expect(samples).toBeLessThanOrEqual(8);
  expect(series.scorer.code).toBe(ReasonCode.above);
  expect(series.scorer.usual).toBeCloseTo(40, 0);
});

test('a shift that stays is accepted, said once, and the way back is no anomaly', () => {
  const series = new Series();
  series.takeAll(LEARNED, usual);
  const codes: number[] = [];
  for (let sample = 0; sample < 2 * ACCEPTED_AFTER; sample++) {
    if (series.take(usual(series.samples) + 20) >= ANOMALY_SCORE) codes.push(series.scorer.code);
  }
  expect(codes.filter((code) => code === ReasonCode.accepted)).toHaveLength(1);
  expect(codes.at(-1)).toBe(ReasonCode.accepted);
  expect(series.takeAll(500, usual)).toEqual(new Set());
});

test('a sensor that freezes is an anomaly; one that never varied, or stands at 0 or 100, is none', () => {
  const series = new Series();
  series.takeAll(LEARNED, usual);
  expect(series.takeAll(100, () => 41)).toEqual(new Set([ReasonCode.still]));
  for (const constant of [0, 100]) {
    const idle = new Series();
    idle.takeAll(LEARNED, (sample) => Math.abs(constant - Math.abs(noise(sample))));
    expect(idle.takeAll(600, () => constant)).not.toContain(ReasonCode.still);
  }
});

test.each([
  ['tasks', MetricKind.count, 4],
  ['a custom metric', MetricKind.any, 3],
  ['a full GPU', MetricKind.percent, 90],
  ['a little of a percentage', MetricKind.percent, 3],
])('what comes again and again with nothing between is learned: %s', (_, kind, busy) => {
  const series = new Series(kind);
  const day = (n: number) => (n % 720 < 60 ? busy : 0);
  series.takeAll(LEARNED, day);
  expect(series.takeAll(7 * LEARNED, day)).toEqual(new Set());
});

test('growing variance is an anomaly', () => {
  const series = new Series();
  series.takeAll(LEARNED, usual);
  expect(series.takeAll(100, (sample) => 40 + 10 * noise(sample))).toContain(ReasonCode.varying);
});

test('a constant series is never an anomaly', () => {
  fc.assert(
    fc.property(kinds, fc.double({ noNaN: true }), (kind, value) => {
      const series = new Series(kind);
      expect(series.takeAll(5000, () => value)).toEqual(new Set());
    }),
    { numRuns: repetitions(30, 1000) },
  );
});

test('a counter is scored by its rate, whatever it has reached', () => {
  const series = new Series(MetricKind.any);
  let total = 0;
  const count = (rate: number) => (sample: number) => {
    total += Math.round(rate + noise(sample) * 3);
    return total;
  };
  expect(series.takeAll(6000, count(100))).toEqual(new Set());
  total = 0;
  expect(series.takeAll(1000, count(100))).toEqual(new Set());
  expect(series.takeAll(50, count(20))).toContain(ReasonCode.below);
});

test('a single spike is no anomaly and moves the level no further than its clip', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e30, max: 1e30, noNaN: true }), fc.nat(50), (spike, offset) => {
      const series = new Series();
      series.takeAll(LEARNED + offset, usual);
      const before = series.float(StateFloat.usual);
      series.take(spike);
      expect(series.takeAll(200, usual)).toEqual(new Set());
      expect(Math.abs(series.float(StateFloat.usual) - before)).toBeLessThan(0.5);
    }),
    { numRuns: repetitions(20, 500) },
  );
});

test('scores are from 0 to 1 and finite, whatever the values, the times and the state', () => {
  const value = fc.oneof(fc.double(), fc.integer({ min: -3, max: 103 }), fc.constantFrom(0, 100, 1e308, -1e308));
  const state = fc.oneof(
    fc.constant(new Float32Array(STATE_FLOATS)),
    fc.float32Array({ minLength: STATE_FLOATS, maxLength: STATE_FLOATS }),
  );
  fc.assert(
    fc.property(kinds, state, fc.array(fc.tuple(fc.double(), value), { maxLength: 60 }), (kind, floats, samples) => {
      const series = new Series(kind);
      series.floats.set(floats, STATE_FLOATS);
      for (const [atMs, each] of samples) {
        const score = series.scorer.take(series.floats, STATE_FLOATS, kind, atMs, each);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1);
        for (const number of [series.scorer.usual, series.scorer.ratio, series.scorer.samples]) {
          expect(Number.isFinite(number)).toBe(true);
        }
      }
      for (const float of series.floats)
        expect(Number.isFinite(float)).toBe(samples.length > 0 || Number.isFinite(float));
      const outside = [...series.floats.subarray(0, STATE_FLOATS), ...series.floats.subarray(2 * STATE_FLOATS)];
      expect(outside.every((float) => float === 0)).toBe(true);
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});

test('the same samples have the same scores, also by another scorer that goes on with the state', () => {
  const [one, other] = [new Series(), new Series()];
  for (let sample = 0; sample < 2000; sample++) {
    const value = usual(sample) + (sample > 1500 ? 10 : 0);
    const score = new Scorer().take(other.floats, STATE_FLOATS, other.kind, sample * STEP_MS, value);
    expect(one.take(value)).toBe(score);
  }
  expect(one.floats).toEqual(other.floats);
});

test('an expected value makes what is usual at the time no anomaly, and what is not one', () => {
  const series = new Series();
  series.takeAll(LEARNED, usual);
  expectValue(series.floats, STATE_FLOATS, 40);
  series.takeAll(LEARNED, usual);
  expectValue(series.floats, STATE_FLOATS, 70);
  expect(series.takeAll(1000, (sample) => usual(sample) + 30)).toEqual(new Set());
  expect(series.takeAll(60, usual)).toContain(ReasonCode.below);
});

test('what is expected may be 0 at night', () => {
  const series = new Series();
  const hour = (sample: number) => Math.floor(sample / 720) % 24;
  const byDay = (sample: number) => (hour(sample) >= 8 && hour(sample) < 20 ? 80 + 2 * noise(sample) : 0);
  series.takeAll(LEARNED, byDay);
  for (let hours = 0; hours < 6 * 24; hours++) {
    const at = hour(series.samples);
    expectValue(series.floats, STATE_FLOATS, at >= 8 && at < 20 ? 80 : 0);
    expect(series.takeAll(720, byDay)).toEqual(new Set());
  }
  for (let hours = 0; hours < 12; hours++) {
    expectValue(series.floats, STATE_FLOATS, hours >= 8 ? 80 : 0);
    series.takeAll(720, byDay);
  }
  expect(series.takeAll(12, (sample) => byDay(sample) - 50)).toContain(ReasonCode.below);
});

test('what a counter is expected to have reached does not matter to its rate', () => {
  const series = new Series(MetricKind.any);
  let total = 0;
  const counts = (perStep: number) => (sample: number) => {
    total += perStep + noise(sample);
    return total;
  };
  series.takeAll(LEARNED, counts(50));
  for (const expected of [1e6, 5e5, 0, 7e7]) {
    expectValue(series.floats, STATE_FLOATS, expected);
    expect(series.takeAll(720, counts(50))).toEqual(new Set());
  }
  expect(series.takeAll(30, counts(10))).toContain(ReasonCode.below);
});
