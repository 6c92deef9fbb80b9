import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MetricKind } from '../../../src/model/anomaly/metric-kind.ts';
import { GroupLevel, LEAST_PEERS, scorePeer } from '../../../src/model/anomaly/peers.ts';
import { ReasonCode, reasonText } from '../../../src/model/anomaly/reason.ts';
import { ANOMALY_SCORE, Scorer } from '../../../src/model/anomaly/scorer.ts';
import { STATE_FLOATS } from '../../../src/model/anomaly/state.ts';
import { repetitions } from '../../support/repetitions.ts';

const DAY = 17_280;

/** The same for the same sample and worker. */
const noise = (sample: number, worker: number) =>
  (((Math.imul(sample * 31 + worker, 2_654_435_761) >>> 8) & 0xffff) / 0xffff - 0.5) * 4;

class Group {
  readonly scorer = new Scorer();
  readonly #floats = new Float32Array(STATE_FLOATS);
  readonly #level = new GroupLevel();
  #sample = 0;

  /** @returns codes of the first worker's anomalies while it is so far from the others, whose load goes up and down */
  go(samples: number, away: number): Set<number> {
    const codes = new Set<number>();
    for (let sample = 0; sample < samples; sample++, this.#sample++) {
      const load = 50 + 30 * Math.sin(this.#sample / 300);
      const values = Array.from({ length: 8 }, (_, worker) => load + noise(this.#sample, worker));
      values[0] = (values[0] as number) + away;
      this.#level.measure(values, values.length);
      const atMs = this.#sample * 5000;
      scorePeer(this.scorer, this.#floats, 0, MetricKind.percent, atMs, values[0] as number, this.#level);
      if (this.scorer.score >= ANOMALY_SCORE) codes.add(this.scorer.code);
    }
    return codes;
  }
}

test('a worker that leaves its group is an anomaly, whatever the group does; one of its group is none', () => {
  const group = new Group();
  expect(group.go(DAY, 0)).toEqual(new Set());
  expect(group.go(60, -25)).toEqual(new Set([ReasonCode.peers]));
  group.go(1, -25);
  expect(reasonText('cpu', ' %', group.scorer)).toMatch(
    /^cpu [\d.]+ × the usual spread of its group away from the group's [\d.]+ % for 61 samples$/,
  );
});

test.each([20, -40, 45])('a worker that is always %i apart is no anomaly, not even at first', (away) => {
  const group = new Group();
  expect(group.go(2 * DAY, away)).toEqual(new Set());
  expect(group.go(60, away < 0 ? 0 : away - 45)).toEqual(new Set([ReasonCode.peers]));
});

test('what a worker does in its first minutes is no anomaly, and does not make one usual', () => {
  const group = new Group();
  expect(group.go(60, 40)).toEqual(new Set());
  expect(group.go(DAY, 0)).toEqual(new Set());
  expect(group.go(60, 25)).toEqual(new Set([ReasonCode.peers]));
});

test('one that is like its group in the first half hour is told soon if it leaves it', () => {
  const group = new Group();
  expect(group.go(400, 0)).toEqual(new Set());
  expect(group.go(12, 20)).toEqual(new Set([ReasonCode.peers]));
});

test('a group of fewer than five gives nothing', () => {
  const level = new GroupLevel();
  expect(level.measure([1, 2, 3, Number.NaN, 5], 5)).toBe(false);
  expect(level.median).toBeNaN();
  expect(level.measure([1, 2, 3, 4, 5], LEAST_PEERS)).toBe(true);
  expect([level.median, level.spread]).toEqual([3, 1.4826]);
});

test('fewer than half of a group move its median no further than the others are', () => {
  const others = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 5, maxLength: 80 });
  fc.assert(
    fc.property(others, fc.array(fc.double({ noNaN: true })), (values, wild) => {
      const level = new GroupLevel();
      const all = [...wild.slice(0, values.length - 1), ...values];
      expect(level.measure(all, all.length)).toBe(true);
      expect(level.median).toBeGreaterThanOrEqual(Math.min(...values));
      expect(level.median).toBeLessThanOrEqual(Math.max(...values));
      expect(level.spread).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: repetitions(200, 5000) },
  );
});
