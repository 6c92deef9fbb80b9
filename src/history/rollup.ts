/**
 * Rollups: samples to 1-minute buckets, and buckets to longer ones. Pure. A bucket keeps min, max, sum, last and count of each
 * metric, so that no spike disappears.
 *
 * How sums are rounded: while the values are decimals and the digits of their sum, written with as many decimal places as the
 * values have, stay below 2^50, a sum is the double nearest to the exact sum: 0.1 + 0.2 is 0.3. Such sums are merged exactly,
 * whatever the order. Otherwise a sum is that of doubles with the rounding errors added at the end (Neumaier), and each merge
 * may add an error of a few units in the last place.
 */
import { POWERS_OF_TEN, scaleOf } from './codec/decimals.ts';
import {
  type BucketColumns,
  type BucketRun,
  type MetricKey,
  type RollupTier,
  type SampleRun,
  TIER_MS,
} from './samples.ts';

/** @param runs of one worker, in the order of receipt. Samples of one bucket need not be together: clocks go back. */
export function rollUp(workerId: string, runs: readonly SampleRun[], tier: RollupTier): BucketRun {
  const buckets = new BucketTable(tier);
  for (const { at, columns } of runs) {
    const places = buckets.placesOf(at);
    for (const [key, values] of columns) {
      const rows = buckets.rowsOf(key);
      for (let index = 0; index < values.length; index++) {
        const value = values[index] as number;
        if (!Number.isNaN(value)) {
          rows[places[index] as number] = added(rows[places[index] as number], value, value, value, value, 1);
        }
      }
    }
  }
  return buckets.run(workerId);
}

/** @param runs of one worker and of this or a finer tier, in the order of receipt: `last` comes from the later one. */
export function mergeBuckets(workerId: string, runs: readonly BucketRun[], tier: RollupTier): BucketRun {
  const buckets = new BucketTable(tier);
  for (const { start, columns } of runs) {
    const places = buckets.placesOf(start);
    for (const [key, { min, max, sum, last, count }] of columns) {
      const rows = buckets.rowsOf(key);
      for (let index = 0; index < count.length; index++) {
        const samples = count[index] as number;
        if (samples === 0) continue;
        const place = places[index] as number;
        rows[place] = added(
          rows[place],
          min[index] as number,
          max[index] as number,
          sum[index] as number,
          last[index] as number,
          samples,
        );
      }
    }
  }
  return buckets.run(workerId);
}

/** One metric in one bucket. */
interface Row {
  min: number;
  max: number;
  last: number;
  count: number;
  /** The sum as an integer of `scale`; undefined: it is not exact. */
  integer: number | undefined;
  scale: number;
  /** The sum of the doubles, and what rounding took from it. */
  float: number;
  error: number;
}

/** Integers below it, divided by a power of ten, are doubles that differ, so that a sum's integer can be got back. */
const MAX_EXACT = 2 ** 50;

function added(into: Row | undefined, min: number, max: number, sum: number, last: number, count: number): Row {
  const row = into ?? { min, max, last, count: 0, integer: 0, scale: 0, float: 0, error: 0 };
  if (min < row.min) row.min = min;
  if (max > row.max) row.max = max;
  row.last = last;
  row.count += count;
  addExactly(row, sum);
  const total = row.float + sum;
  row.error += Math.abs(row.float) >= Math.abs(sum) ? row.float - total + sum : sum - total + row.float;
  row.float = total;
  return row;
}

function addExactly(row: Row, sum: number): void {
  if (row.integer === undefined) return;
  const scale = scaleOf(sum, row.scale);
  row.integer =
    scale === undefined
      ? undefined
      : within(row.integer * power(scale - row.scale)) + within(Math.round(sum * power(scale)));
  if (Number.isNaN(row.integer) || Math.abs(row.integer ?? 0) > MAX_EXACT) row.integer = undefined;
  row.scale = scale ?? 0;
}

/** NaN: too large to be exact. */
function within(integer: number): number {
  return Math.abs(integer) <= MAX_EXACT ? integer : Number.NaN;
}

function power(scale: number): number {
  return POWERS_OF_TEN[scale] as number;
}

class BucketTable {
  readonly #tier: RollupTier;
  readonly #placeOf = new Map<number, number>();
  readonly #rows = new Map<MetricKey, (Row | undefined)[]>();

  constructor(tier: RollupTier) {
    this.#tier = tier;
  }

  /** The place of each time's bucket, in the order of their first use. */
  placesOf(at: Float64Array): Int32Array {
    const length = TIER_MS[this.#tier];
    const places = new Int32Array(at.length);
    let start = Number.NaN;
    let place = -1;
    for (let index = 0; index < at.length; index++) {
      const time = at[index] as number;
      if (!(time >= start && time < start + length)) {
        start = Math.floor(time / length) * length;
        place = this.#placeOf.get(start) ?? this.#placeOf.size;
        this.#placeOf.set(start, place);
      }
      places[index] = place;
    }
    return places;
  }

  rowsOf(key: MetricKey): (Row | undefined)[] {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const rows: (Row | undefined)[] = [];
    this.#rows.set(key, rows);
    return rows;
  }

  run(workerId: string): BucketRun {
    const order = [...this.#placeOf].sort(([a], [b]) => a - b);
    const columns = new Map<MetricKey, BucketColumns>();
    for (const [key, rows] of this.#rows) {
      const ordered = order.map(([, place]) => rows[place]);
      columns.set(key, {
        min: Float64Array.from(ordered, (row) => row?.min ?? Number.NaN),
        max: Float64Array.from(ordered, (row) => row?.max ?? Number.NaN),
        sum: Float64Array.from(ordered, (row) => (row === undefined ? Number.NaN : sumOf(row))),
        last: Float64Array.from(ordered, (row) => row?.last ?? Number.NaN),
        count: Float64Array.from(ordered, (row) => row?.count ?? 0),
      });
    }
    return { workerId, tier: this.#tier, start: Float64Array.from(order, ([start]) => start), columns };
  }
}

function sumOf({ integer, scale, float, error }: Row): number {
  if (integer !== undefined) return integer / power(scale);
  // What rounding took from an infinite sum is no number.
  return Number.isFinite(float) ? float + error : float;
}
