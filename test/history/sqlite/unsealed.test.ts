import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HistoryError } from '../../../src/history/history-error.ts';
import { decodeUnsealed, encodeUnsealed, type StoredRun } from '../../../src/history/sqlite/unsealed.ts';
import { repetitions } from '../../support/repetitions.ts';

const arbitraryColumn = (count: number) =>
  fc.array(fc.double(), { minLength: count, maxLength: count }).map((values) => Float64Array.from(values));

const arbitraryRun: fc.Arbitrary<StoredRun> = fc
  .record({
    worker: fc.integer({ min: 1, max: 5 }),
    run: fc.integer({ min: 1, max: 0xffff_ffff }),
    first: fc.maxSafeNat(),
    count: fc.integer({ min: 1, max: 20 }),
    keys: fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 4 }),
  })
  .chain(({ worker, run, first, count, keys }) =>
    fc
      .record({
        at: arbitraryColumn(count),
        flags: fc.uint8Array({ minLength: count, maxLength: count }),
        columns: fc.tuple(...keys.map(() => arbitraryColumn(count))),
      })
      .map(({ at, flags, columns }) => ({
        worker,
        samples: {
          workerId: `worker ${worker}`,
          run,
          first,
          at,
          flags: Uint8Array.from(flags),
          columns: new Map(keys.map((key, index) => [key, columns[index] as Float64Array])),
        },
      })),
  );

function decoded(data: Uint8Array, worker?: number, keys?: readonly string[]): StoredRun[] {
  const runs: StoredRun[] = [];
  decodeUnsealed(
    data,
    (number) => (worker === undefined || number === worker ? `worker ${number}` : undefined),
    keys,
    (number, samples) => runs.push({ worker: number, samples }),
  );
  return runs;
}

test('runs come back bit for bit, also those of one worker and some metrics', () => {
  fc.assert(
    fc.property(fc.array(arbitraryRun, { maxLength: 8 }), (runs) => {
      const data = encodeUnsealed(runs);
      expect(decoded(data)).toEqual(runs);
      const ofOne = runs.filter(({ worker }) => worker === 2);
      expect(decoded(data, 2)).toEqual(ofOne);
      const keys = [...(ofOne[0]?.samples.columns.keys() ?? [])].slice(0, 1);
      expect(decoded(data, 2, keys).map(({ samples }) => [...samples.columns.keys()])).toEqual(
        ofOne.map(({ samples }) => [...samples.columns.keys()].filter((key) => keys.includes(key))),
      );
    }),
    { numRuns: repetitions(100, 5000) },
  );
});

test('changed, cut or foreign bytes are refused as damaged', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryRun, { maxLength: 3 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (runs, at, by) => {
        const data = encodeUnsealed(runs);
        const changed = Uint8Array.from(data);
        const index = at % data.length;
        changed[index] = (changed[index] as number) ^ by;
        for (const bytes of [changed, data.subarray(0, index), Uint8Array.of()]) {
          expect(() => decoded(bytes)).toThrow(HistoryError);
        }
      },
    ),
    { numRuns: repetitions(100, 5000) },
  );
});
