import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noSampleMark, sparkline } from '../../src/cli/text/sparkline.ts';

const HOUR_MS = 3_600_000;
const range = { fromMs: 0, toMs: HOUR_MS };
const every = (stepMs: number, value: (atMs: number) => number) =>
  Array.from({ length: HOUR_MS / stepMs }, (_, index) => ({ atMs: index * stepMs, value: value(index * stepMs) }));

describe('a sparkline', () => {
  test('rises from the lowest value to the highest', () => {
    const rising = every(HOUR_MS / 8, (atMs) => atMs);
    expect(sparkline(rising, { ...range, columns: 8 })).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline(rising, { ...range, columns: 8, isAscii: true })).toBe('_-=+*%#@');
  });

  test('shows a spike that is one sample among hundreds', () => {
    const spike = every(5000, (atMs) => (atMs === 1_800_000 ? 99 : 1));
    expect(sparkline(spike, { ...range, columns: 10 })).toBe('▁▁▁▁▁█▁▁▁▁');
  });

  test('marks times without samples, and holds a value between samples that are further apart than its characters', () => {
    const halves = every(300_000, () => 5).filter(({ atMs }) => atMs < 1_200_000 || atMs >= 2_400_000);
    expect(sparkline(halves, { ...range, columns: 24 })).toBe('▁▁▁▁▁▁▁▁▁▁······▁▁▁▁▁▁▁▁');
    const gaps = [{ fromMs: 1_000_000, toMs: 2_400_000 }];
    expect(sparkline(halves, { ...range, columns: 24, gaps })).toBe('▁▁▁▁▁▁▁·········▁▁▁▁▁▁▁▁');
    expect(sparkline(halves, { ...range, columns: 24, gaps, isAscii: true })).toBe('_______.........________');
  });

  test('of nothing, or of one sample, is a line all the same', () => {
    expect(sparkline([], { ...range, columns: 4 })).toBe('····');
    expect(sparkline([{ atMs: HOUR_MS, value: 7 }], { ...range, columns: 4 })).toBe('···▁');
  });
});

const points = fc
  .array(fc.record({ atMs: fc.integer({ min: -1000, max: HOUR_MS + 1000 }), value: fc.double({ noNaN: true }) }))
  .map((all) => all.toSorted((left, right) => left.atMs - right.atMs));

test('is as wide as asked for, of its own characters alone, whatever is in it', () => {
  fc.assert(
    fc.property(points, fc.integer({ min: 1, max: 300 }), fc.boolean(), (given, columns, isAscii) => {
      const line = [...sparkline(given, { ...range, columns, isAscii })];
      expect(line).toHaveLength(columns);
      const allowed = new Set(isAscii ? '_-=+*%#@.' : '▁▂▃▄▅▆▇█·');
      expect(line.filter((character) => !allowed.has(character))).toEqual([]);
    }),
  );
});

test('a column with a sample is never marked as empty, and the highest value is at the top', () => {
  fc.assert(
    fc.property(points, fc.integer({ min: 1, max: 100 }), (given, columns) => {
      const inside = given.filter(({ atMs, value }) => atMs >= 0 && atMs <= HOUR_MS && Number.isFinite(value));
      const line = [...sparkline(given, { ...range, columns })];
      const columnOf = (atMs: number) => Math.min(columns - 1, Math.floor(atMs / (HOUR_MS / columns)));
      for (const { atMs } of inside) expect(line[columnOf(atMs)]).not.toBe(noSampleMark());
      const highest = inside.reduce<(typeof inside)[number] | undefined>(
        (most, each) => (most === undefined || each.value > most.value ? each : most),
        undefined,
      );
      const hasTwo = new Set(line.filter((character) => character !== noSampleMark())).size > 1;
      if (highest !== undefined && hasTwo) expect(line[columnOf(highest.atMs)]).toBe('█');
    }),
  );
});
