import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WINDOW_PARTS } from '../../../src/alerts/evaluation/evaluation-limits.ts';
import { WindowSet } from '../../../src/alerts/evaluation/window-set.ts';
import { Window } from '../../../src/alerts/evaluation/windows.ts';
import type { WindowCall } from '../../../src/alerts/expression/checked.ts';
import { repetitions } from '../../support/repetitions.ts';

const WINDOW_MS = 60_000;
const PART_MS = WINDOW_MS / WINDOW_PARTS;
const KINDS = ['avg_over', 'min_over', 'max_over', 'rate', 'predict'] as const;
const call = (kind: WindowCall['kind']): WindowCall => ({
  kind,
  metric: 'x',
  windowMs: WINDOW_MS,
  aheadMs: kind === 'predict' ? 30_000 : undefined,
});

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** The same from a list of all samples, written plainly. */
function plainly(kind: WindowCall['kind'], samples: readonly Sample[], nowMs: number): number {
  const oldestPart = Math.floor(nowMs / PART_MS) - WINDOW_PARTS + 1;
  const inWindow = samples.filter(({ atMs }) => Math.floor(atMs / PART_MS) >= oldestPart);
  if (inWindow.length === 0) return Number.NaN;
  // Since the last gap of a window.
  let since = samples[0]?.atMs as number;
  for (const [n, { atMs }] of samples.entries()) {
    const before = samples[n - 1];
    if (before !== undefined && Math.floor(atMs / PART_MS) - Math.floor(before.atMs / PART_MS) >= WINDOW_PARTS)
      since = atMs;
  }
  if (nowMs - since < WINDOW_MS / 2) return Number.NaN;
  const values = inWindow.map(({ value }) => value);
  switch (kind) {
    case 'avg_over':
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    case 'min_over':
      return Math.min(...values);
    case 'max_over':
      return Math.max(...values);
    case 'rate': {
      const seconds = ((inWindow.at(-1) as Sample).atMs - (inWindow[0] as Sample).atMs) / 1000;
      let sum = 0;
      for (let n = 1; n < values.length; n++) {
        const [before, after] = [values[n - 1] as number, values[n] as number];
        sum += after >= before ? after - before : after;
      }
      return seconds > 0.001 ? sum / seconds : Number.NaN;
    }
    default: {
      const parts = Map.groupBy(inWindow, ({ atMs }) => Math.floor(atMs / PART_MS));
      if (parts.size < 2) return Number.NaN;
      const points = Array.from(parts.values(), (part) => ({
        n: part.length,
        t: part.reduce((sum, { atMs }) => sum + atMs / 1000, 0) / part.length,
        v: part.reduce((sum, { value }) => sum + value, 0) / part.length,
      }));
      const n = points.reduce((sum, point) => sum + point.n, 0);
      const t = points.reduce((sum, point) => sum + point.n * point.t, 0) / n;
      const v = points.reduce((sum, point) => sum + point.n * point.v, 0) / n;
      const slope =
        points.reduce((sum, point) => sum + point.n * (point.t - t) * (point.v - v), 0) /
        points.reduce((sum, point) => sum + point.n * (point.t - t) ** 2, 0);
      return v + slope * ((nowMs + 30_000) / 1000 - t);
    }
  }
}

const samples = fc
  .array(
    fc.record({
      afterMs: fc.oneof(fc.integer({ min: 100, max: 6000 }), fc.constantFrom(40_000, 70_000)),
      value: fc.integer({ min: 0, max: 50 }),
    }),
    {
      minLength: 1,
      maxLength: 60,
    },
  )
  .map((steps) => {
    let atMs = 1_000_000;
    return steps.map(({ afterMs, value }) => {
      atMs += afterMs;
      return { atMs, value };
    });
  });

function expectClose(actual: number, expected: number, what: unknown): void {
  if (Number.isNaN(expected) || Number.isNaN(actual)) expect([what, actual]).toEqual([what, expected]);
  else
    expect([what, Math.abs(actual - expected) <= 1e-3 * (1 + Math.abs(expected)), actual, expected]).toEqual([
      what,
      true,
      actual,
      expected,
    ]);
}

const filledWith = (window: Window, past: readonly Sample[], nowMs: number) =>
  window.fill(
    1,
    past.map(({ atMs, value }) => ({ atMs, count: 1, min: value, max: value, mean: value, last: value })),
    nowMs,
  );

describe('a window', () => {
  test.each(KINDS)('%s says what a list of all samples says', (kind) => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 0, max: 70_000 }), (all, laterMs) => {
        const window = new Window(call(kind));
        window.reserve(2);
        for (const { atMs, value } of all) window.add(1, atMs, value);
        const nowMs = (all.at(-1) as Sample).atMs + laterMs;
        expectClose(window.at(1, nowMs), plainly(kind, all, nowMs), [kind, all, laterMs]);
        expect(window.at(0, nowMs)).toBeNaN();
      }),
      { numRuns: repetitions(200, 5000) },
    );
  });

  test.each(KINDS)('%s is the same if its first samples come later, from history', (kind) => {
    fc.assert(
      fc.property(samples, fc.nat({ max: 60 }), (all, filled) => {
        const whole = new Window(call(kind));
        const joined = new Window(call(kind));
        for (const window of [whole, joined]) window.reserve(2);
        for (const { atMs, value } of all) whole.add(1, atMs, value);
        const live = all.slice(Math.min(filled, all.length));
        for (const { atMs, value } of live) joined.add(1, atMs, value);
        const nowMs = (all.at(-1) as Sample).atMs + 1;
        // Only what history is asked for; it has the samples that came live, too.
        const past = all.filter(({ atMs }) => atMs >= nowMs - WINDOW_MS);
        filledWith(joined, past, nowMs);
        const ofWindow = whole.at(1, nowMs);
        // History is not asked when the values began before the window.
        if (Number.isNaN(joined.at(1, nowMs)) && nowMs - (past[0] as Sample).atMs < WINDOW_MS / 2) return;
        // A gap of a whole window begins anew.
        if (Number.isNaN(ofWindow)) return;
        expectClose(joined.at(1, nowMs), ofWindow, [kind, all, filled]);
      }),
      { numRuns: repetitions(200, 5000) },
    );
  });

  test('has no value until half of it is covered, and goes on with later values', () => {
    const window = new Window(call('max_over'));
    window.reserve(2);
    window.add(1, 1_000_000, 7);
    expect(window.at(1, 1_029_000)).toBeNaN();
    expect(window.at(1, 1_030_000)).toBe(7);
    expect(window.at(1, 1_061_000)).toBeNaN();
  });

  test('of a counter takes a lower value for a restart', () => {
    const window = new Window(call('rate'));
    window.reserve(2);
    for (const [n, value] of [100, 110, 120, 5, 15].entries()) window.add(1, 1_000_000 + n * 10_000, value);
    expect(window.at(1, 1_040_000)).toBeCloseTo((10 + 10 + 5 + 10) / 40);
  });

  test('of a counter that stands still is 0, also after it rose', () => {
    const window = new Window(call('rate'));
    window.reserve(2);
    window.add(1, 1_000_000, 5);
    for (let n = 1; n <= 80; n++) window.add(1, 1_000_000 + n * 1000, 6);
    expect(window.at(1, 1_080_000)).toBe(0);
  });

  test('predicts along the line', () => {
    const window = new Window({ ...call('predict'), aheadMs: 3_600_000 });
    window.reserve(2);
    for (let n = 0; n < 60; n++) window.add(1, 1_000_000 + n * 1000, 50 + n * 0.01);
    expect(window.at(1, 1_060_000)).toBeCloseTo(50 + 0.01 * (60 + 3600), 4);
  });

  test('takes minutes and hours of history by their extremes and means', () => {
    const past = [0, 1, 2, 3].map((n) => ({
      atMs: 1_000_000 + n * 15_000,
      count: 12,
      min: n,
      max: 10 + n,
      mean: 5 + n,
      last: 6 + n,
    }));
    const lastValue = (kind: WindowCall['kind']) => {
      const window = new Window(call(kind));
      window.reserve(2);
      window.add(1, 1_059_000, 5);
      window.fill(1, past, 1_059_500);
      return window.at(1, 1_059_500);
    };
    expect(lastValue('min_over')).toBe(0);
    expect(lastValue('max_over')).toBe(13);
    expect(lastValue('avg_over')).toBeCloseTo((12 * (5 + 6 + 7 + 8) + 5) / 49);
  });

  test('forgets a worker whose row another one gets', () => {
    const window = new Window(call('avg_over'));
    window.reserve(2);
    window.add(1, 1_000_000, 7);
    window.forget(1);
    window.add(1, 1_020_000, 9);
    expect(window.at(1, 1_040_000)).toBeNaN();
    expect(window.at(1, 1_050_000)).toBe(9);
  });
});

describe('windows together', () => {
  test('keep to their memory, and say which of them have none', () => {
    const one = call('avg_over');
    const two = { ...call('avg_over'), metric: 'y' };
    const windows = new WindowSet(Window.bytesPerRow(one) * 150);
    windows.set([one, two]);
    windows.reserve(64);
    expect(windows.problemOf(two)).toBeUndefined();
    windows.reserve(128);
    expect(windows.problemOf(one)).toBeUndefined();
    expect(windows.problemOf(two)).toMatch(/^all windows together would need more than 0 MiB for 128 workers/);
    windows.add(1, 'y', 1_000_000, 5);
    expect(windows.get(two)?.at(1, 1_040_000)).toBeNaN();
    windows.set([two]);
    windows.add(1, 'y', 1_000_000, 5);
    expect(windows.get(two)?.at(1, 1_040_000)).toBe(5);
  });

  test('share one of equal calls, and keep those that stay', () => {
    const windows = new WindowSet();
    expect(windows.set([call('avg_over'), { ...call('avg_over') }])).toHaveLength(1);
    windows.reserve(2);
    windows.add(1, 'x', 1_000_000, 5);
    expect(windows.set([call('avg_over'), call('rate')])).toHaveLength(1);
    expect(windows.get(call('avg_over'))?.at(1, 1_040_000)).toBe(5);
  });
});
