import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AGGREGATES, aggregated, percentile } from '../../../src/history/query/aggregate.ts';
import { stepsIn } from '../../../src/history/query/plan.ts';
import { Steps } from '../../../src/history/query/steps.ts';

const FROM = 1_795_456_495_123;
const values = fc.double({ min: -1e12, max: 1e12, noNaN: true });
const samples = fc.array(fc.tuple(fc.integer({ min: -2000, max: 20_000 }), values), { maxLength: 200 });

describe('steps', () => {
  test('have what a look at each sample finds, and keep every spike', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 30_000 }), (given, stepMs) => {
        const range = { fromMs: FROM, toMs: FROM + 10_000 };
        const steps = new Steps(range.fromMs, stepMs, stepsIn(range, stepMs));
        const within = given.map(([offset, value]) => ({ at: FROM + offset, value }));
        const inRange = within.filter(({ at }) => at >= range.fromMs && at < range.toMs);
        for (const { at, value } of inRange) steps.add(steps.indexOf(at), value);
        const points = steps.points();
        const starts = [...new Set(inRange.map(({ at }) => Math.floor(at / stepMs) * stepMs))].sort((a, b) => a - b);
        expect(points.map(({ atMs }) => atMs)).toEqual(starts);
        for (const { atMs, min, max, mean, last, count } of points) {
          const here = inRange.filter(({ at }) => Math.floor(at / stepMs) * stepMs === atMs).map(({ value }) => value);
          expect({ min, max, last, count }).toEqual({
            min: Math.min(...here),
            max: Math.max(...here),
            last: here.at(-1),
            count: here.length,
          });
          expect(mean).toBeCloseTo(here.reduce((sum, value) => sum + value, 0) / here.length, 3);
          expect(mean).toBeGreaterThanOrEqual(min);
          expect(mean).toBeLessThanOrEqual(max);
        }
        if (inRange.length > 0) {
          expect(Math.max(...points.map(({ max }) => max))).toBe(Math.max(...inRange.map(({ value }) => value)));
        }
      }),
    );
  });

  test('of buckets are those of their samples', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9999), fc.integer({ min: -999, max: 999 }))), (given) => {
        // In order, as buckets are.
        const inOrder = given.toSorted(([left], [right]) => left - right);
        const [fine, coarse, direct] = [new Steps(0, 10, 1000), new Steps(0, 100, 100), new Steps(0, 100, 100)];
        for (const [at, value] of inOrder) {
          fine.add(fine.indexOf(at), value);
          direct.add(direct.indexOf(at), value);
        }
        for (const { atMs, min, max, mean, last, count } of fine.points()) {
          coarse.addBucket(coarse.indexOf(atMs), min, max, mean * count, last, count);
        }
        const rounded = (steps: Steps) =>
          steps.points().map((point) => ({ ...point, mean: Math.round(point.mean * 1e6) }));
        expect(rounded(coarse)).toEqual(rounded(direct));
      }),
    );
  });

  test('ignore what lies beyond them', () => {
    const steps = new Steps(1000, 100, 2);
    for (const at of [999, 1200, 0, 1e15]) steps.add(steps.indexOf(at), 1);
    expect(steps.points()).toEqual([]);
  });

  test('can be used again', () => {
    const steps = new Steps(0, 10, 3);
    steps.add(1, 99);
    steps.clear();
    steps.add(1, 5);
    expect(steps.points()).toEqual([{ atMs: 10, min: 5, max: 5, mean: 5, last: 5, count: 1 }]);
  });
});

describe('one value of many', () => {
  test.each([
    ['avg', 3],
    ['min', 1],
    ['max', 5],
    ['sum', 15],
    ['count', 5],
    ['p50', 3],
    ['p95', 5],
    ['p99', 5],
  ] as const)('%s', (aggregate, expected) => {
    const all = Float64Array.of(5, 1, 4, 2, 3);
    expect(aggregated(aggregate, { min: 1, max: 5, mean: 3, sum: 15, count: 5 }, all)).toBe(expected);
  });

  test('that is a percentile is the smallest one which enough values do not exceed', () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1 }), fc.constantFrom(0.5, 0.95, 0.99), (all, share) => {
        const found = percentile(Float64Array.from(all).sort(), share);
        const notAbove = (limit: number) => all.filter((value) => value <= limit).length;
        expect(all).toContain(found);
        expect(notAbove(found)).toBeGreaterThanOrEqual(share * all.length);
        for (const smaller of all.filter((value) => value < found)) {
          expect(notAbove(smaller)).toBeLessThan(share * all.length);
        }
      }),
    );
    expect(AGGREGATES).toHaveLength(8);
  });
});
