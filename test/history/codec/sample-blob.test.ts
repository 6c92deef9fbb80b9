import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeSamples,
  encodeSamples,
  MAX_BLOB_NUMBERS,
  MAX_BLOB_SAMPLES,
  summaryOf,
} from '../../../src/history/codec/sample-blob.ts';
import { HistoryError } from '../../../src/history/history-error.ts';
import type { SampleRun } from '../../../src/history/samples.ts';
import { bitsOf, sampleRun, sampleRuns } from './runs.ts';

/** Comparable: a metric that a run lacks is absent in all its samples. */
function plain(runs: readonly SampleRun[]) {
  const names = [...new Set(runs.flatMap(({ columns }) => [...columns.keys()]))];
  return runs.map(({ workerId, run, first, at, flags, columns }) => ({
    workerId,
    run,
    first,
    at: bitsOf(at),
    flags: [...flags],
    columns: names.map((name) => [name, bitsOf(columns.get(name) ?? new Float64Array(at.length).fill(Number.NaN))]),
  }));
}

test('samples of any runs come back bit for bit', () => {
  fc.assert(
    fc.property(sampleRuns, (runs) => {
      expect(plain(decodeSamples('worker-1', encodeSamples(runs)))).toEqual(plain(runs));
    }),
    { numRuns: 150 },
  );
});

test('a reader gets the metrics that it asks for, and only those', () => {
  fc.assert(
    fc.property(sampleRuns, fc.integer(), (runs, pick) => {
      const blob = encodeSamples(runs);
      const all = decodeSamples('worker-1', blob);
      const names = [...(all[0]?.columns.keys() ?? [])].filter((_, index) => (pick >> index) & 1);
      const some = decodeSamples('worker-1', blob, [...names, 'metrics.unknown']);
      expect(plain(some)).toEqual(
        plain(
          all.map((run) => ({ ...run, columns: new Map([...run.columns].filter(([name]) => names.includes(name))) })),
        ),
      );
    }),
    { numRuns: 80 },
  );
});

test('a blob says which samples and metrics it holds', () => {
  fc.assert(
    fc.property(sampleRuns, (runs) => {
      const summary = summaryOf(encodeSamples(runs));
      expect(summary.runs).toEqual(runs.map(({ run, first, at }) => ({ run, first, count: at.length })));
      expect(new Set(summary.keys)).toEqual(new Set(runs.flatMap(({ columns }) => [...columns.keys()])));
    }),
    { numRuns: 50 },
  );
});

test('any changed byte, a lost end and an added byte are noticed', () => {
  fc.assert(
    fc.property(sampleRuns, fc.nat(), fc.integer({ min: 1, max: 255 }), (runs, place, change) => {
      const blob = encodeSamples(runs);
      const changed = Uint8Array.from(blob);
      changed[place % blob.length] = (blob[place % blob.length] as number) ^ change;
      for (const damaged of [changed, blob.subarray(0, place % blob.length), Uint8Array.of(...blob, change)]) {
        expect(() => decodeSamples('worker-1', damaged)).toThrow(
          expect.objectContaining({ name: 'HistoryError', kind: 'damaged' }),
        );
      }
    }),
    { numRuns: 300 },
  );
});

/** What a forger can do, and damage before the checksum was made: decoding ends with a HistoryError or in bounds. */
test('wrong content with a right checksum neither crashes nor takes unbounded memory', () => {
  fc.assert(
    fc.property(sampleRuns, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), (runs, place, bytes) => {
      const blob = Uint8Array.from(encodeSamples(runs));
      const at = 5 + (place % (blob.length - 5));
      blob.set(bytes.subarray(0, blob.length - at), at);
      new DataView(blob.buffer).setUint32(1, crc32(blob.subarray(5), crc32(blob.subarray(0, 1))), true);
      try {
        const decoded = decodeSamples('worker-1', blob);
        expect(decoded.reduce((sum, run) => sum + run.at.length, 0)).toBeLessThanOrEqual(MAX_BLOB_SAMPLES);
      } catch (error) {
        expect(error).toBeInstanceOf(HistoryError);
      }
    }),
    { numRuns: 400 },
  );
});

test('a blob of a newer version is told from a damaged one', () => {
  const [run] = fc.sample(sampleRun('worker-1', 1), { numRuns: 1, seed: 1 }) as [SampleRun];
  const blob = encodeSamples([run]);
  blob[0] = 2;
  new DataView(blob.buffer).setUint32(1, crc32(blob.subarray(5), crc32(blob.subarray(0, 1))), true);
  expect(() => decodeSamples('worker-1', blob)).toThrow(expect.objectContaining({ kind: 'newer' }));
});

test('more than a blob may hold is refused', () => {
  const of = (length: number, metrics: number): SampleRun => ({
    workerId: 'worker-1',
    run: 1,
    first: 1,
    at: new Float64Array(length),
    flags: new Uint8Array(length),
    columns: new Map(Array.from({ length: metrics }, (_, index) => [`metrics.${index}`, new Float64Array(length)])),
  });
  expect(() => encodeSamples([of(MAX_BLOB_SAMPLES + 1, 0)])).toThrow(/72001 samples/);
  expect(() => encodeSamples([of(MAX_BLOB_SAMPLES, Math.ceil(MAX_BLOB_NUMBERS / MAX_BLOB_SAMPLES) + 1)])).toThrow(
    /numbers/,
  );
  expect(() => encodeSamples([of(0, 1)])).toThrow(/no samples/);
});
