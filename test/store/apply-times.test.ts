import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  APPLY_BUCKETS,
  APPLY_LOWEST_EXPONENT,
  ApplyTimesTotal,
  ApplyTimesWriter,
  allocateApplyTimes,
  applyBucketOf,
} from '../../src/store/apply-times.ts';

/** Upper bound of a bucket of schema 3. */
const upperBound = (bucket: number) => 2 ** (APPLY_LOWEST_EXPONENT + bucket / 8);

test('a time is in the bucket whose bounds include it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 2 ** 17, noNaN: true }), (seconds) => {
      const bucket = applyBucketOf(seconds);
      if (bucket > 0) expect(seconds).toBeGreaterThan(upperBound(bucket - 1));
      if (bucket < APPLY_BUCKETS - 1) expect(seconds).toBeLessThanOrEqual(upperBound(bucket));
    }),
  );
});

test('a bound belongs to the bucket that ends there', () => {
  for (let bucket = 0; bucket < APPLY_BUCKETS; bucket++) expect(applyBucketOf(upperBound(bucket))).toBe(bucket);
  expect(applyBucketOf(0)).toBe(0);
  expect(applyBucketOf(Number.MAX_VALUE)).toBe(APPLY_BUCKETS - 1);
});

test('totals have every time of every lane once, whatever lanes share a cell, and never fall', () => {
  const oneTime = fc.record({
    lane: fc.nat({ max: 200 }),
    ms: fc.double({ min: -1, max: 2e8, noNaN: true }),
    collects: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(oneTime, { maxLength: 50 }), (times) => {
      const memory = allocateApplyTimes();
      const total = new ApplyTimesTotal(memory);
      const expected = new Float64Array(APPLY_BUCKETS);
      let sum = 0;
      for (const { lane, ms, collects } of times) {
        // A new writer each time, as that of a restarted lane.
        new ApplyTimesWriter(memory, lane).record(ms);
        const bucket = applyBucketOf(Math.max(0, ms) / 1000);
        expected[bucket] = (expected[bucket] as number) + 1;
        sum += Math.max(0, ms) / 1000;
        const before = total.counts.slice();
        if (collects) total.collect();
        expect(total.counts.every((count, at) => count >= (before[at] as number))).toBe(true);
      }
      total.collect();
      expect(total.counts).toEqual(expected);
      // Each is rounded to 10 µs.
      expect(Math.abs(total.sumSeconds - sum)).toBeLessThanOrEqual(times.length * 5e-6 + 1e-6);
    }),
  );
});

test('totals go on when a word wraps', () => {
  const memory = allocateApplyTimes();
  const total = new ApplyTimesTotal(memory);
  new Int32Array(memory).fill(0x7fffffff);
  total.collect();
  const before = { count: total.counts[applyBucketOf(1.25)] as number, sum: total.sumSeconds };
  const writer = new ApplyTimesWriter(memory, 5);
  for (let n = 0; n < 3; n++) writer.record(1250);
  total.collect();
  expect(total.counts[applyBucketOf(1.25)]).toBe(before.count + 3);
  expect(total.sumSeconds - before.sum).toBeCloseTo(3.75, 3);
});
