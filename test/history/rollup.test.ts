import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeBuckets, rollUp } from '../../src/history/rollup.ts';
import { type BucketRun, type RollupTier, type SampleRun, TIER_MS } from '../../src/history/samples.ts';
import { sampleRuns, times } from './codec/runs.ts';

interface Naive {
  readonly values: number[];
}

/** Every value of each bucket and metric, in the order of receipt. */
function naive(runs: readonly SampleRun[], tier: RollupTier): Map<string, Naive> {
  const buckets = new Map<string, Naive>();
  for (const { at, columns } of runs) {
    for (const [key, column] of columns) {
      column.forEach((value, index) => {
        if (Number.isNaN(value)) return;
        const place = `${Math.floor((at[index] as number) / TIER_MS[tier]) * TIER_MS[tier]} ${key}`;
        buckets.set(place, { values: [...(buckets.get(place)?.values ?? []), value] });
      });
    }
  }
  return buckets;
}

function rowsOf({ start, columns }: BucketRun) {
  const rows = new Map<string, { min: number; max: number; sum: number; last: number; count: number }>();
  for (const [key, { min, max, sum, last, count }] of columns) {
    start.forEach((at, index) => {
      if (count[index] === 0) {
        expect([min[index], max[index], sum[index], last[index]]).toEqual([NaN, NaN, NaN, NaN]);
        return;
      }
      rows.set(`${at} ${key}`, {
        min: min[index] as number,
        max: max[index] as number,
        sum: sum[index] as number,
        last: last[index] as number,
        count: count[index] as number,
      });
    });
  }
  return rows;
}

/** Doubles added without any rounding, in units of the smallest double. */
function exactSum(values: readonly number[]): bigint {
  return values.reduce((sum, value) => sum + unitsOf(value), 0n);
}

function unitsOf(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const all = bits.getBigUint64(0);
  const exponent = (all >> 52n) & 0x7ffn;
  const mantissa = all & ((1n << 52n) - 1n);
  const size = exponent === 0n ? mantissa : (mantissa | (1n << 52n)) << (exponent - 1n);
  return value < 0 ? -size : size;
}

const finite = sampleRuns.map((runs) =>
  runs.map((run) => ({
    ...run,
    columns: new Map([...run.columns].map(([key, column]) => [key, column.map((v) => (Math.abs(v) < 1e300 ? v : 1))])),
  })),
);

/** Sums differ from exact ones by rounding alone: relative to the largest sum that can occur on the way. */
function expectSum(sum: number, values: readonly number[]): void {
  const error = unitsOf(sum) - exactSum(values);
  const size = values.reduce((total, value) => total + (unitsOf(value) < 0n ? -unitsOf(value) : unitsOf(value)), 0n);
  expect((error < 0n ? -error : error) << 48n <= size + (1n << 48n)).toBe(true);
}

test('a bucket has min, max, sum, last and count of its samples, also if the clock goes back', () => {
  fc.assert(
    fc.property(finite, fc.constantFrom('1m' as const, '1h' as const), (runs, tier) => {
      const rows = rowsOf(rollUp('worker-1', runs, tier));
      const expected = naive(runs, tier);
      expect([...rows.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [place, { values }] of expected) {
        const row = rows.get(place);
        expect(row).toMatchObject({ count: values.length, last: values.at(-1) });
        expect(row?.min).toBeCloseTo(Math.min(...values), 300);
        expect(row?.max).toBeCloseTo(Math.max(...values), 300);
        expectSum(row?.sum ?? Number.NaN, values);
      }
    }),
    { numRuns: 150 },
  );
});

test('buckets are in the order of their start, each once', () => {
  fc.assert(
    fc.property(sampleRuns, (runs) => {
      const { start } = rollUp('worker-1', runs, '1m');
      expect([...start]).toEqual([...new Set(start)].sort((a, b) => a - b));
    }),
    { numRuns: 50 },
  );
});

/** Percentages with two decimals, as most metrics are. */
const decimals: fc.Arbitrary<SampleRun> = fc.integer({ min: 1, max: 200 }).chain((length) =>
  fc.tuple(times(length), fc.array(fc.nat(10_000), { minLength: length, maxLength: length })).map(([at, values]) => ({
    workerId: 'worker-1',
    run: 1,
    first: 1,
    at,
    flags: new Uint8Array(length),
    columns: new Map([['cpu_usage', Float64Array.from(values, (value) => value / 100)]]),
  })),
);

test('sums of decimals are exact, whatever is merged with what', () => {
  fc.assert(
    fc.property(decimals, fc.nat(), (run, at) => {
      const cut = at % (run.at.length + 1);
      const part = (from: number, to?: number): SampleRun => ({
        ...run,
        at: run.at.subarray(from, to),
        columns: new Map([...run.columns].map(([key, column]) => [key, column.subarray(from, to)])),
      });
      const parts = [part(0, cut), part(cut)];
      const whole = rowsOf(rollUp('worker-1', [run], '1h'));
      const merged = rowsOf(
        mergeBuckets(
          'worker-1',
          parts.map((each) => rollUp('worker-1', [each], '1h')),
          '1h',
        ),
      );
      const fromMinutes = rowsOf(mergeBuckets('worker-1', [rollUp('worker-1', [run], '1m')], '1h'));
      expect(merged).toEqual(whole);
      for (const [place, row] of whole) {
        const cents =
          naive([run], '1h')
            .get(place)
            ?.values.map((value) => Math.round(value * 100)) ?? [];
        expect(row.sum).toBe(cents.reduce((sum, value) => sum + value, 0) / 100);
        expect({ ...fromMinutes.get(place), last: row.last }).toEqual(row);
      }
    }),
    { numRuns: 200 },
  );
});

test('0.1 and 0.2 add up to 0.3', () => {
  const run: SampleRun = {
    workerId: 'worker-1',
    run: 1,
    first: 1,
    at: Float64Array.of(1000, 2000),
    flags: new Uint8Array(2),
    columns: new Map([['cpu_usage', Float64Array.of(0.1, 0.2)]]),
  };
  expect(rollUp('worker-1', [run], '1m').columns.get('cpu_usage')?.sum).toEqual(Float64Array.of(0.3));
});

test('a merged bucket keeps the spike of either part', () => {
  const bucket = (value: number): BucketRun => {
    const column = Float64Array.of(value);
    const metric = { min: column, max: column, sum: column, last: column, count: Float64Array.of(1) };
    return {
      workerId: 'worker-1',
      tier: '1m',
      start: Float64Array.of(60_000),
      columns: new Map([['cpu_usage', metric]]),
    };
  };
  const merged = mergeBuckets('worker-1', [bucket(3), bucket(99), bucket(5)], '1m');
  expect(rowsOf(merged).get('60000 cpu_usage')).toEqual({ min: 3, max: 99, sum: 107, last: 5, count: 3 });
});
