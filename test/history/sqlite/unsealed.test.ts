import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HistoryError } from '../../../src/history/history-error.ts';
import type { SampleRun } from '../../../src/history/samples.ts';
import { RunCollector } from '../../../src/history/sqlite/run-collector.ts';
import { decodeUnsealed, type StoredRun, unsealedRows } from '../../../src/history/sqlite/unsealed.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';
import { repetitions } from '../../support/repetitions.ts';
import { sampleRun } from '../history-data.ts';
import { samplesOf } from '../history-model.ts';

const arbitraryValue = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((value) => value / 1000),
  fc.double(),
  fc.constantFrom(2 ** 53, -(2 ** 53), -0, Number.NaN),
);
/** Of one kind, or mixed. */
const arbitraryColumn = (count: number) =>
  fc
    .oneof(
      fc.constantFrom(1, 10, 100).chain((power) =>
        fc.array(
          fc.nat(70_000).map((value) => value / power),
          { minLength: count, maxLength: count },
        ),
      ),
      arbitraryValue.map((value) => Array.from({ length: count }, () => value)),
      fc.array(arbitraryValue, { minLength: count, maxLength: count }),
    )
    .map((values) => Float64Array.from(values));

const arbitraryRun: fc.Arbitrary<StoredRun> = fc
  .record({
    worker: fc.integer({ min: 1, max: 5 }),
    run: fc.integer({ min: 1, max: 0xffff_ffff }),
    first: fc.maxSafeNat(),
    count: fc.integer({ min: 1, max: 20 }),
    keys: fc.uniqueArray(fc.string({ unit: ANY_CHARACTER }), { maxLength: 4 }),
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

/** By worker; consecutive runs are joined. */
function decoded(rows: readonly Uint8Array[], keys?: readonly string[], only?: number): Map<number, SampleRun[]> {
  const collectors = new Map<number, RunCollector>();
  for (const row of rows) {
    decodeUnsealed(row, keys, (worker) => {
      if (only !== undefined && worker !== only) return undefined;
      const collector = collectors.get(worker) ?? new RunCollector(`worker ${worker}`);
      collectors.set(worker, collector);
      return collector;
    });
  }
  return new Map([...collectors].map(([worker, collector]) => [worker, collector.runs()]));
}

/** One after the other, with every value of each sample. */
function flat(runs: readonly SampleRun[], keys?: readonly string[]) {
  return runs.flatMap((run) =>
    samplesOf(run).map((sample, index) => ({
      ...sample,
      values: [...run.columns]
        .filter(([key, column]) => (keys?.includes(key) ?? true) && !Number.isNaN(column[index]))
        .map(([key, column]) => [key, column[index]])
        .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
    })),
  );
}

test('samples come back bit for bit, also those of one worker and some metrics', () => {
  fc.assert(
    fc.property(fc.array(arbitraryRun, { maxLength: 8 }), (runs) => {
      const rows = unsealedRows(runs);
      const all = decoded(rows);
      for (const [worker, stored] of Map.groupBy(runs, (run) => run.worker)) {
        const given = stored.map(({ samples }) => samples);
        expect(flat(all.get(worker) ?? [])).toEqual(flat(given));
        const keys = [...(given[0]?.columns.keys() ?? [])].slice(0, 1);
        const some = decoded(rows, keys, worker);
        expect([...some.keys()]).toEqual([worker]);
        expect(flat(some.get(worker) ?? [])).toEqual(flat(given, keys));
      }
    }),
    { numRuns: repetitions(60, 5000) },
  );
});

test('consecutive samples become one run, whose metrics come and go', () => {
  const parts = Array.from({ length: 100 }, (_, index) =>
    sampleRun({ first: 1 + index, keys: index % 3 === 0 ? ['a'] : ['b', 'c'], value: (number) => number / 10 }),
  );
  const rows = parts.flatMap((samples) => unsealedRows([{ worker: 1, samples }]));
  const [run, ...others] = decoded(rows).get(1) as SampleRun[];
  expect(others).toEqual([]);
  expect(run?.at).toHaveLength(100);
  expect(flat([run as SampleRun])).toEqual(flat(parts));
});

test('more metrics than a row can name take several rows', () => {
  const runs = Array.from({ length: 3 }, (_, worker) => ({
    worker,
    samples: sampleRun({ keys: Array.from({ length: 30_000 }, (_key, index) => `metrics.${worker}.${index}`) }),
  }));
  const rows = unsealedRows(runs);
  expect(rows).toHaveLength(2);
  for (const { worker, samples } of runs)
    expect(decoded(rows).get(worker)?.[0]?.columns.size).toBe(samples.columns.size);
});

test('usual metrics take few bytes', () => {
  const samples = sampleRun({
    count: 720,
    keys: ['cpu_usage', 'running_tasks'],
    value: (index) => (index % 1000) / 10,
  });
  const [row] = unsealedRows([{ worker: 1, samples }]);
  // Time 4, each value 2, flags 1.
  expect(row?.length).toBeLessThan(720 * 9 + 200);
});

test('changed, cut or foreign bytes are refused as damaged', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryRun, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (runs, at, by) => {
        const [data = Uint8Array.of()] = unsealedRows(runs);
        const changed = Uint8Array.from(data);
        const index = at % data.length;
        changed[index] = (changed[index] as number) ^ by;
        for (const bytes of [changed, data.subarray(0, index), Uint8Array.of()]) {
          expect(() => decoded([bytes])).toThrow(HistoryError);
        }
      },
    ),
    { numRuns: repetitions(60, 5000) },
  );
});
