import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { promises } from '../../bench/flow/promises.ts';
import { SMALL } from '../../bench/lib/bench.ts';
import { percentile, rowOf } from '../../bench/lib/rows.ts';
import { laneCost } from '../../bench/micro/lane-cost.ts';

test.each([promises, laneCost])('$name still runs, and its rows are those that the README lists', async (bench) => {
  const rows = await bench.run({ sizes: SMALL, runs: 1, progress: () => {} });
  const readme = await readFile(new URL('../../bench/README.md', import.meta.url), 'utf8');
  expect(readme).toContain(`\`${bench.name}\``);
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) {
    expect(Object.keys(row)).toEqual(['id', 'question', 'unit', 'median', 'min', 'max', 'goal', 'ok']);
    expect(row.median).toBeGreaterThan(0);
    const [family] = row.id.split('.');
    expect(readme).toContain(`\`${family}.`);
  }
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
});

test('a row holds median, least and most, and its verdict follows from the median', () => {
  const question = { id: 'x', question: 'x', unit: 'ms', goal: 2 };
  expect(rowOf(question, [3, 1, 2])).toMatchObject({ median: 2, min: 1, max: 3, ok: true });
  expect(rowOf(question, [3, 1, 2.1])).toMatchObject({ ok: false });
  expect(rowOf({ id: 'x', question: 'x', unit: 'ms' }, [1])).toMatchObject({ goal: null, ok: null });
  expect(percentile([1, 2, 3, 4], 50)).toBe(2);
  expect(percentile([1, 2, 3, 4], 99)).toBe(4);
});
