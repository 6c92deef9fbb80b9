import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBuckets, encodeBuckets } from '../../../src/history/codec/bucket-blob.ts';
import { rollUp } from '../../../src/history/rollup.ts';
import type { BucketColumns, BucketRun } from '../../../src/history/samples.ts';
import { bitsOf, columns, keys, sampleRuns } from './runs.ts';

function plain({ start, columns: metrics, ...rest }: BucketRun) {
  return { ...rest, start: [...start], columns: [...metrics].map(([key, metric]) => [key, plainMetric(metric)]) };
}

function plainMetric({ min, max, sum, last, count }: BucketColumns) {
  return { min: bitsOf(min), max: bitsOf(max), sum: bitsOf(sum), last: bitsOf(last), count: [...count] };
}

test('rollups of any samples come back bit for bit', () => {
  fc.assert(
    fc.property(sampleRuns, fc.constantFrom('1m' as const, '1h' as const), (runs, tier) => {
      const rolled = rollUp('worker-1', runs, tier);
      expect(plain(decodeBuckets('worker-1', encodeBuckets(rolled)))).toEqual(plain(rolled));
    }),
    { numRuns: 150 },
  );
});

/** No relation between the columns is taken for granted. */
const anyBuckets: fc.Arbitrary<BucketRun> = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.uniqueArray(keys, { maxLength: 4 }))
  .chain(([length, names]) => {
    const metric = fc
      .tuple(
        fc.array(fc.nat(20), { minLength: length, maxLength: length }),
        ...[0, 1, 2, 3].map(() => columns(length).map((column) => column.map((value) => value || 0))),
      )
      .map(([counts, ...parts]): BucketColumns => {
        const count = Float64Array.from(counts as number[]);
        const [min, max, sum, last] = (parts as Float64Array[]).map((part) =>
          part.map((value, index) => ((count[index] as number) > 0 ? value : Number.NaN)),
        ) as [Float64Array, Float64Array, Float64Array, Float64Array];
        return { min, max, sum, last, count };
      });
    return fc.record({
      workerId: fc.constant('worker-1'),
      tier: fc.constantFrom('1m' as const, '1h' as const),
      start: fc.uniqueArray(fc.nat(1_000_000), { minLength: length, maxLength: length }).map((starts) =>
        Float64Array.from(
          starts.sort((a, b) => a - b),
          (start) => start * 3_600_000,
        ),
      ),
      columns: fc
        .tuple(...names.map(() => metric))
        .map((metrics) => new Map(names.map((name, index) => [name, metrics[index] as BucketColumns]))),
    });
  });

test('buckets of any numbers come back bit for bit', () => {
  fc.assert(
    fc.property(anyBuckets, (run) => {
      expect(plain(decodeBuckets('worker-1', encodeBuckets(run)))).toEqual(plain(run));
    }),
    { numRuns: 250 },
  );
});

test('a reader gets the metrics that it asks for', () => {
  fc.assert(
    fc.property(anyBuckets, (run) => {
      const [key] = run.columns.keys();
      const some = decodeBuckets('worker-1', encodeBuckets(run), key === undefined ? [] : [key]);
      expect([...some.columns.keys()]).toEqual(key === undefined ? [] : [key]);
      if (key !== undefined) {
        expect(plainMetric(some.columns.get(key) as BucketColumns)).toEqual(
          plainMetric(run.columns.get(key) as BucketColumns),
        );
      }
    }),
    { numRuns: 50 },
  );
});

test('any changed byte is noticed', () => {
  fc.assert(
    fc.property(anyBuckets, fc.nat(), fc.integer({ min: 1, max: 255 }), (run, place, change) => {
      const blob = encodeBuckets(run);
      blob[place % blob.length] = (blob[place % blob.length] as number) ^ change;
      expect(() => decodeBuckets('worker-1', blob)).toThrow(expect.objectContaining({ kind: 'damaged' }));
    }),
    { numRuns: 200 },
  );
});
