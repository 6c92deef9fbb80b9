import { expect, test } from 'vitest';
import { Collector } from '../../../src/metrics/export/collector.ts';
import { SERIES_PER_SLICE } from '../../../src/metrics/export/export-limits.ts';
import type { FamilyWithSeries } from '../../../src/metrics/family.ts';
import type { WorkerEntry } from '../../../src/reading/directory.ts';

const entryOf = (workerId: string) => ({ workerId }) as WorkerEntry;

function familyOf(name: string, count: number): FamilyWithSeries {
  const series = Array.from({ length: count }, (_, n) => ({ labels: [['n', String(n)]] as const, value: n }));
  return { family: { name, type: 'gauge', help: '' }, series };
}

/** Of each worker, or `master`: the series of a round and those that have ended. */
function roundOf(collector: Collector<unknown>): Record<string, string> {
  const sources = [...collector.round(1)].flatMap((slice) => slice.sources);
  return Object.fromEntries(
    sources.map(({ workerId = 'master', points, ended }) => [workerId, `${points.length} −${ended.length}`]),
  );
}

test('workers that go end with all their series, in slices of any number', () => {
  const ids = Array.from({ length: 250 }, (_, n) => `w${n}`);
  let present = ids;
  const collector = new Collector(
    { all: () => present.map(entryOf)[Symbol.iterator]() as never },
    { master: () => [familyOf('m', 3)], worker: () => ({ families: [familyOf('a', 2)], leftOut: 0 }) },
    1000,
  );
  expect(roundOf(collector)).toEqual({ master: '3 −0', ...Object.fromEntries(ids.map((id) => [id, '2 −0'])) });
  expect(collector.series).toBe(503);
  present = ids.slice(0, 1);
  expect(roundOf(collector)).toEqual({
    master: '3 −0',
    w0: '2 −0',
    ...Object.fromEntries(ids.slice(1).map((id) => [id, '0 −2'])),
  });
  // Told once.
  expect(roundOf(collector)).toEqual({ master: '3 −0', w0: '2 −0' });
  expect(collector.series).toBe(5);
});

test('a worker with too many series costs itself and those behind it what there is no room for', () => {
  let greedy = 1;
  const collector = new Collector(
    { all: () => ['a', 'greedy', 'z'].map(entryOf).values() as never },
    {
      master: () => [familyOf('m', 3)],
      worker: ({ workerId }) => {
        const customs = workerId === 'greedy' ? [familyOf('custom', greedy)] : [];
        return { families: [familyOf('up', 1), ...customs], leftOut: workerId === 'a' ? 7 : 0 };
      },
    },
    5,
  );
  expect(roundOf(collector)).toEqual({ master: '3 −0', a: '1 −0', greedy: '2 −0', z: '1 −0' });
  expect(collector.leftOut).toBe(7);
  greedy = 100;
  expect(roundOf(collector)).toEqual({ master: '3 −0', a: '1 −0', greedy: '4 −0', z: '0 −1' });
  expect(collector.leftOut).toBe(105);
  expect(collector.series).toBe(8);
});

test('workers with many series make slices smaller, when they come and when they end', () => {
  const ids = Array.from({ length: 60 }, (_, n) => `w${n}`);
  let present = ids;
  const collector = new Collector(
    { all: () => present.map(entryOf).values() as never },
    { master: () => [], worker: () => ({ families: [familyOf('custom', 1000)], leftOut: 0 }) },
    1_000_000,
  );
  const largest = () =>
    Math.max(
      ...Array.from(collector.round(1), ({ sources }) =>
        sources.reduce((sum, { points, ended }) => sum + points.length + ended.length, 0),
      ),
    );
  expect(largest()).toBe(SERIES_PER_SLICE);
  present = [];
  expect(largest()).toBe(SERIES_PER_SLICE);
});
