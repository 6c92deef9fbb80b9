import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketMs, planOf, type Reach, reachOf, stepsIn } from '../../../src/history/query/plan.ts';
import { TIERS } from '../../../src/history/samples.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-11-23T17:54:55.000Z');
const REACH: Reach = { raw: NOW - DAY, '1m': NOW - 30 * DAY, '1h': NOW - 730 * DAY };
const last = (ms: number) => ({ fromMs: NOW - ms, toMs: NOW });
const KEPT = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 730 * DAY };

describe('the plan', () => {
  test.each([
    [HOUR, 1000, 'raw', 4000],
    [6 * HOUR, 1000, 'raw', 22_000],
    [24 * HOUR, 1000, '1m', 120_000],
    [7 * DAY, 1000, '1m', 11 * 60_000],
    [30 * DAY, 1000, '1m', 44 * 60_000],
    [365 * DAY, 1000, '1h', 9 * HOUR],
    [2 * DAY, 10_000, '1m', 60_000],
    [40 * DAY, 10_000, '1h', HOUR],
  ] as const)('for the last %i ms in %i points is %s by %i ms', (ms, points, tier, stepMs) => {
    expect(planOf(last(ms), { points }, REACH)).toEqual({ tier, stepMs, keptSinceMs: REACH[tier] });
  });

  test.each([
    [HOUR, 30_000, 'raw', 30_000],
    [HOUR, 60_000, '1m', 60_000],
    [HOUR, 90_000, 'raw', 90_000],
    [DAY, HOUR, '1h', HOUR],
    // Raw samples do not go back that far.
    [2 * DAY, 30_000, '1m', 60_000],
    [2 * DAY, 90_000, '1m', 120_000],
    [40 * DAY, 60_000, '1h', HOUR],
  ] as const)('for the last %i ms by %i ms is %s by %i ms', (ms, wished, tier, stepMs) => {
    expect(planOf(last(ms), { stepMs: wished }, REACH)).toMatchObject({ tier, stepMs });
  });

  test('uses raw samples for what is older than they are kept if nothing older was ever recorded', () => {
    expect(planOf(last(3 * DAY), { stepMs: 30_000 }, REACH, NOW - HOUR)).toMatchObject({ tier: 'raw', stepMs: 30_000 });
  });

  test('uses what goes back furthest if nothing goes back far enough', () => {
    expect(planOf(last(1000 * DAY), { stepMs: 4 * HOUR + 1 }, REACH)).toMatchObject({ tier: '1h', stepMs: 5 * HOUR });
  });

  test('has no more steps than fit into an answer', () => {
    expect(() => planOf(last(30 * DAY), { stepMs: 1000 }, REACH)).toThrow(
      '43201 points in this range, expected at most 10000',
    );
  });

  test('fits into the points, with the smallest step of its unit, in a tier that divides it and reaches back', () => {
    const ranges = fc.record({
      age: fc.integer({ min: 1, max: 1000 * DAY }),
      length: fc.integer({ min: 1, max: 800 * DAY }),
    });
    fc.assert(
      fc.property(ranges, fc.integer({ min: 2, max: 10_000 }), ({ age, length }, points) => {
        const range = { fromMs: NOW - age, toMs: NOW - age + length };
        const { tier, stepMs } = planOf(range, { points }, REACH);
        expect(stepsIn(range, stepMs)).toBeLessThanOrEqual(points);
        expect(stepMs % bucketMs(tier)).toBe(0);
        const unit = stepMs < 60_000 ? 1000 : tier === '1h' && age > 30 * DAY ? HOUR : 60_000;
        expect(stepMs % unit).toBe(0);
        if (stepMs > unit) expect(stepsIn(range, stepMs - unit)).toBeGreaterThan(points - 2);
        const reaching = TIERS.filter((other) => REACH[other] <= range.fromMs);
        if (reaching.length > 0) expect(reaching).toContain(tier);
      }),
    );
  });
});

describe('a tier', () => {
  test('reaches back as long as it is kept', () => {
    expect(reachOf(NOW, { ...KEPT, oldestMs: {}, deletedEarly: 0 })).toEqual(REACH);
    const young = { raw: NOW - HOUR, '1m': NOW - HOUR - 30_000, '1h': NOW - HOUR - 1000 };
    expect(reachOf(NOW, { ...KEPT, oldestMs: young, deletedEarly: 1 })).toEqual(REACH);
  });

  test('reaches less far back if its data was deleted early: then a coarser one has older data', () => {
    const oldestMs = { raw: NOW - 3 * HOUR, '1m': NOW - 20 * DAY, '1h': NOW - 20 * DAY };
    expect(reachOf(NOW, { ...KEPT, oldestMs, deletedEarly: 7 })).toEqual({ ...REACH, raw: NOW - 3 * HOUR });
    // No master was running between.
    expect(reachOf(NOW, { ...KEPT, oldestMs, deletedEarly: 0 })).toEqual(REACH);
    expect(reachOf(NOW, { ...KEPT, oldestMs: { '1h': NOW - 20 * DAY }, deletedEarly: 7 })).toEqual({
      ...REACH,
      raw: NOW,
      '1m': NOW,
    });
  });
});
