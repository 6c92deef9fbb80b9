import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exposition } from '../../../src/metrics/exposition/exposition.ts';
import { formatOf } from '../../../src/metrics/exposition/format.ts';
import { sparse } from '../../../src/metrics/exposition/protobuf.ts';
import { exposedName, uniqueLabels } from '../../../src/metrics/exposition/text.ts';
import type { FamilyType, Histogram } from '../../../src/metrics/family.ts';
import { type ReadHistogram, readFamilies } from './metric-family-messages.ts';
import { asWritten, families } from './samples.ts';

const TYPES: Readonly<Record<FamilyType, number>> = { counter: 0, gauge: 1, info: 1, stateset: 1, histogram: 4 };

test('everything reads back by official field numbers', () => {
  const format = fc.constantFrom('underscores', 'dots', 'values', 'allow-utf-8').map((it) => formatOf('protobuf', it));
  fc.assert(
    fc.property(families, format, (all, negotiated) => {
      const read = readFamilies(exposition(all, negotiated));
      expect(read).toHaveLength(all.length);
      for (const [index, { family, series }] of all.entries()) {
        const { name, help, type, unit, metric = [] } = read[index] as (typeof read)[number];
        expect({ name, help, type, unit }).toEqual({
          name: asWritten(exposedName(family, negotiated)),
          help: asWritten(family.help),
          type: TYPES[family.type],
          unit: family.unit,
        });
        expect(metric).toHaveLength(series.length);
        for (const [at, { labels, value, createdUnixMs }] of series.entries()) {
          const one = metric[at] as (typeof metric)[number];
          const expected = uniqueLabels(labels, negotiated).map(([label, text]) => [label, asWritten(text)]);
          expect(one.label?.map((pair) => [pair.name, pair.value])).toEqual(expected);
          if (typeof value !== 'number') {
            expectHistogram(one.histogram as ReadHistogram, value);
            expect(unixMs(one.histogram?.createdTimestamp)).toBe(createdUnixMs);
          } else if (family.type === 'counter') {
            expect(Number(one.counter?.value)).toBe(value);
            expect(unixMs(one.counter?.createdTimestamp)).toBe(createdUnixMs);
          } else {
            expect(Number(one.gauge?.value)).toBe(value);
          }
        }
      }
    }),
  );
});

function unixMs(timestamp: unknown): number {
  const { seconds, nanos = 0 } = timestamp as { seconds?: string; nanos?: number };
  return Number(seconds ?? 0) * 1000 + nanos / 1e6;
}

function expectHistogram(
  read: ReadHistogram,
  { count, sum, upperBounds, cumulativeCounts, exponential }: Histogram,
): void {
  expect(Number(read.sampleCount)).toBe(count);
  expect(read.sampleSum).toBe(sum);
  expect(read.bucket.map((bucket) => bucket.upperBound)).toEqual(upperBounds);
  expect(read.bucket.map((bucket) => Number(bucket.cumulativeCount))).toEqual(cumulativeCounts);
  expect(read.schema).toBe(exponential?.schema);
  expect(read.zeroThreshold).toBe(exponential?.zeroThreshold);
  const total = [...dense(read.positiveSpan ?? [], (read.positiveDelta ?? []).map(Number)).values()];
  expect(total.reduce((a, b) => a + b, Number(read.zeroCount))).toBe(count);
}

/** Counts by bucket, of sparse ones. */
function dense(spans: readonly { offset: number; length: number }[], deltas: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  let index = 0;
  let last = 0;
  let at = 0;
  for (const { offset, length } of spans) {
    index += offset;
    for (let within = 0; within < length; within++) {
      last += deltas[at++] as number;
      if (last !== 0) counts.set(index, last);
      index++;
    }
  }
  expect(at).toBe(deltas.length);
  return counts;
}

test('sparse buckets hold the same counts as dense ones, with a span for each long gap', () => {
  const counts = fc.array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat({ max: 1000 })), { maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: -200, max: 200 }), counts, (firstIndex, all) => {
      const expected = new Map(
        all.map((count, at) => [firstIndex + at, count] as const).filter(([, count]) => count > 0),
      );
      const { spans, deltas } = sparse({ firstIndex, counts: all });
      expect(dense(spans, deltas)).toEqual(expected);
      expect(spans.slice(1).every(({ offset }) => offset > 2)).toBe(true);
    }),
  );
});

test('a native histogram without observations has an empty span', () => {
  expect(sparse({ firstIndex: 0, counts: [] })).toEqual({ spans: [{ offset: 0, length: 0 }], deltas: [] });
});
