import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeriesTracker } from '../../../src/metrics/export/series-tracker.ts';
import type { FamilyWithSeries, Label } from '../../../src/metrics/family.ts';
import { repetitions } from '../../support/repetitions.ts';

/** One source's series in one round: by family, the values of a label. */
const round = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', '__proto__'),
  fc.uniqueArray(fc.constantFrom('x', 'y', 'z', ''), { maxLength: 3 }),
  { maxKeys: 4 },
);

function familiesOf(source: Record<string, readonly string[]>): FamilyWithSeries[] {
  return Object.entries(source).map(([name, values]) => ({
    family: { name, type: 'gauge', help: '' },
    series: values.map((value) => ({ labels: [['l', value]] as Label[], value: 1 })),
  }));
}

test('a series is the same object as long as it exists, and ends once', () => {
  fc.assert(
    fc.property(fc.array(round, { maxLength: 8 }), (rounds) => {
      const tracker = new SeriesTracker<string>();
      let known = new Map<string, object>();
      for (const source of rounds) {
        const { points, ended } = tracker.round(familiesOf(source));
        const keyOf = (series: { family: { name: string }; labels: readonly Label[] }) =>
          `${series.family.name} ${series.labels[0]?.[1]}`;
        const now = new Map<string, object>(points.map(({ series }) => [keyOf(series), series]));
        expect([...now.keys()]).toEqual(
          Object.entries(source).flatMap(([name, all]) => all.map((value) => `${name} ${value}`)),
        );
        for (const [key, series] of now) if (known.has(key)) expect(series).toBe(known.get(key));
        expect(new Set(ended)).toEqual(
          new Set([...known].filter(([key]) => !now.has(key)).map(([, series]) => series)),
        );
        known = now;
      }
      expect(new Set(tracker.end())).toEqual(new Set(known.values()));
      expect(tracker.end()).toEqual([]);
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});
