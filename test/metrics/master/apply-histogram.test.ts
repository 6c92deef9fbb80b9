import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogramOf } from '../../../src/metrics/master/apply-histogram.ts';
import { ApplyTimesTotal, ApplyTimesWriter, allocateApplyTimes } from '../../../src/store/apply-times.ts';

function histogramAfter(times: readonly number[]) {
  const memory = allocateApplyTimes();
  const writer = new ApplyTimesWriter(memory, 0);
  for (const ms of times) writer.record(ms);
  const total = new ApplyTimesTotal(memory);
  total.collect();
  return histogramOf(total);
}

test('classic and exponential buckets count the same times, each within its bounds', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 60_000_000, noNaN: true }), { maxLength: 30 }), (times) => {
      const { upperBounds, cumulativeCounts, count, sum, exponential } = histogramAfter(times);
      expect(count).toBe(times.length);
      for (const [at, bound] of upperBounds.entries()) {
        expect(cumulativeCounts[at]).toBe(times.filter((ms) => ms / 1000 <= bound).length);
      }
      if (exponential === undefined) return expect.unreachable();
      const { schema, zeroThreshold, zeroCount, firstIndex, counts } = exponential;
      expect(zeroCount).toBe(times.filter((ms) => ms / 1000 <= zeroThreshold).length);
      for (const [at, inBucket] of counts.entries()) {
        const bound = (index: number) => 2 ** (index * 2 ** -schema);
        const [low, high] = [bound(firstIndex + at - 1), bound(firstIndex + at)];
        expect(inBucket).toBe(times.filter((ms) => ms / 1000 > low && ms / 1000 <= high).length);
      }
      expect(counts.reduce((all, some) => all + some, zeroCount)).toBe(count);
      if (counts.length > 0) expect([counts[0], counts.at(-1)]).not.toContain(0);
      expect(sum).toBeCloseTo(times.reduce((all, ms) => all + ms, 0) / 1000, 2);
    }),
  );
});

test('bounds lie where heartbeats are: from a tenth of a millisecond to 16 s', () => {
  const { upperBounds, exponential } = histogramAfter([]);
  expect(upperBounds).toHaveLength(18);
  expect([upperBounds[0], upperBounds.at(-1)]).toEqual([2 ** -13, 16]);
  expect(exponential).toMatchObject({ schema: 3, zeroCount: 0, counts: [] });
});
