import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  calmer,
  type Figure,
  figureOf,
  figuresOf,
  goalAbove,
  type Measured,
  percentile,
  ratioOf,
  rowOf,
} from '../../bench/lib/rows.ts';
import { disturbanceOf, tableOf } from '../../bench/lib/table.ts';

describe('a figure', () => {
  const question = { id: 'x', question: 'x', unit: 'ms', goal: 2 };

  test('holds median, least and most, and its verdict follows from the median', () => {
    expect(figureOf(question, [3, 1, 2])).toMatchObject({ median: 2, min: 1, max: 3, ok: true });
    expect(figureOf(question, [3, 1, 2.1])).toMatchObject({ ok: false });
    expect(figureOf({ id: 'x', question: 'x', unit: 'ms' }, [1])).toMatchObject({ goal: null, ok: null });
  });

  test('may have a goal that is the least', () => {
    expect(figureOf({ ...question, goalIs: 'at least' }, [3])).toMatchObject({ ok: true });
    expect(figureOf({ ...question, goalIs: 'at least' }, [1])).toMatchObject({ ok: false });
  });

  test('is written as a row of nine members', () => {
    expect(Object.keys(rowOf(figureOf(question, [1])))).toEqual([
      'id',
      'question',
      'unit',
      'median',
      'min',
      'max',
      'goal',
      'ok',
      'disturbed',
    ]);
  });

  test('is shown with its goal, which way it points, and the verdict', () => {
    const lines = (figure: Figure) => tableOf([figure]).split('\n');
    expect(lines(figureOf(question, [1])).join()).toMatch(/1\.00 ms.*≤ 2 ms.*met/);
    expect(lines(figureOf({ ...question, goalIs: 'at least' }, [1])).join()).toMatch(/≥ 2 ms.*MISSED/);
    expect(lines(figureOf({ id: 'x', question: 'x', unit: '/s' }, [181_234])).join()).toMatch(/181,234 \/s.*reported/);
  });
});

describe('a figure with a floor', () => {
  const run = (value: number, floor: number) => ({ run: { value, floor }, othersShare: 0 });
  const promised = {
    id: 'x',
    question: 'x',
    unit: 'ms',
    goal: 10,
    of: ({ value }: { value: number }) => value,
    floorOf: ({ floor }: { floor: number }) => floor,
  };

  test('keeps a promise as it stands where the machine allows it', () => {
    expect(figuresOf([run(9, 3), run(9, 0.1), run(9, 3)], [promised])).toMatchObject([{ goal: 10, ok: true }]);
    expect(figuresOf([run(11, 3)], [promised])).toMatchObject([{ goal: 10, ok: false }]);
  });

  test('has three times the floor for a goal where the floor alone takes more than a third', () => {
    expect(figuresOf([run(11, 4)], [promised])).toMatchObject([{ goal: 12, ok: true }]);
    expect(figuresOf([run(13, 4)], [promised])).toMatchObject([{ goal: 12, ok: false }]);
  });

  test('never has a goal below what was promised, nor above that and three times the floor', () => {
    const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(ms, ms, (goal, floor) => {
        const above = goalAbove(goal, floor);
        expect(above).toBeGreaterThanOrEqual(goal);
        expect(above === goal || above === 3 * floor).toBe(true);
      }),
    );
  });

  test('is formed within each run: the ratio of one, not of two', () => {
    const slow = { run: { ours: 30, floor: 10 }, othersShare: 0 };
    const fast = { run: { ours: 3, floor: 1 }, othersShare: 0 };
    const ratio = { id: 'x', question: 'x', unit: '×', of: (r: { ours: number; floor: number }) => r.ours / r.floor };
    expect(figuresOf([slow, fast, slow], [ratio])).toMatchObject([{ median: 3, min: 3, max: 3 }]);
    expect(ratioOf({ p50: 6, p99: 8 }, { p50: 2, p99: 4 })).toEqual({ p50: 3, p99: 2 });
  });
});

describe('a figure of a disturbed run', () => {
  const question = { id: 'x', question: 'x', unit: 'ms', goal: 2, of: (run: number) => run };
  const figures = (...shares: (number | undefined)[]) =>
    figuresOf(
      shares.map((othersShare) => ({ run: 1, othersShare })),
      [question],
    );

  test('knows the most that others took, or nothing', () => {
    expect(figures(0.02, 0.3, undefined)[0]?.disturbed).toBe(0.3);
    expect(figures(undefined)[0]?.disturbed).toBeNull();
  });

  test('is marked in the table and counted at its end', () => {
    expect(tableOf(figures(0.3))).toMatch(/30 % +met, disturbed/);
    expect(disturbanceOf([...figures(0.3), ...figures(0.04)])).toMatch(/30 % of the machine at most; 1 of 2 rows are/);
    expect(tableOf(figures(0.04))).toMatch(/4 % +met$/);
    expect(disturbanceOf(figures(0.04))).toBe('other processes took 4 % of the machine at most');
    expect(tableOf(figures(undefined))).toMatch(/– +met$/);
    expect(disturbanceOf(figures(undefined))).toMatch(/unknown/);
  });

  test('gives way to a calmer one', () => {
    const disturbed: Measured<number> = { run: 1, othersShare: 0.3 };
    const calm: Measured<number> = { run: 2, othersShare: 0.2 };
    expect(calmer(disturbed, calm)).toBe(calm);
    expect(calmer(calm, disturbed)).toBe(calm);
    expect(calmer(disturbed, { run: 2, othersShare: undefined })).toBe(disturbed);
  });
});

test('a percentile is the nearest rank', () => {
  expect(percentile([1, 2, 3, 4], 50)).toBe(2);
  expect(percentile([1, 2, 3, 4], 99)).toBe(4);
});
