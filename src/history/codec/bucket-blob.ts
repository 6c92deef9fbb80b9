/**
 * Buckets of one worker and tier as a blob: a day of minutes, or a month of hours. The folder's README draws the format.
 *
 *     blob      envelope | tier (byte) | count of buckets (uint) | starts (column) | counts (column)
 *               | count of metrics (uint) | directory | metrics
 *     directory for each metric: key | length of the metric in bytes (uint)
 *     metric    form (byte): 0 decimals, 1 other numbers; +2: its counts are not those of the blob
 *               | own counts (column), if so
 *               | decimals: scale (byte) | bounds (byte) | last | max - high | low - min | sum - predicted sum (columns)
 *               | others: min | max | last | sum (columns)
 *     bounds    what is expected of max and min. Of max: 0 at least the last value, 1 at least the larger one of the last value
 *               and that of the bucket before (high); +2 the same of min (low); +4: sums of buckets whose min is their max, too
 *
 * Decimals are integers of one scale. The predicted sum is the count times the middle of min and max; of buckets whose min is their
 * max, it is the sum, and the column lacks them. Buckets without the metric (count 0) are in none of its columns but the counts.
 */
import { type BucketColumns, type BucketRun, type MetricKey, type RollupTier, TIER_MS } from '../samples.ts';
import { type ByteReader, ByteWriter, damaged, MAX_INT } from './bytes.ts';
import { readColumn, writeColumn } from './column.ts';
import { decimalsOf, POWERS_OF_TEN } from './decimals.ts';
import { sealed, unsealed } from './envelope.ts';
import { readKey, writeKey } from './metric-keys.ts';

const VERSION = 1;
const WHAT = 'a blob of rollups';
/** In the order in which blobs name them: append only. */
const BLOB_TIERS: readonly RollupTier[] = ['1m', '1h'];

/** More than 45 days of minutes. Whoever seals more makes several blobs. */
export const MAX_BLOB_BUCKETS = 65_536;
/** Bounds the memory that a blob takes when it is decoded as a whole: 160 MiB. */
export const MAX_BLOB_BUCKET_METRICS = 2 ** 22;

const DECIMALS = 0;
const OTHERS = 1;
const OWN_COUNTS = 2;

const ABOVE_BOTH = 1;
const BELOW_BOTH = 2;
const ALL_SUMS = 4;

/** @throws RangeError beyond {@link MAX_BLOB_BUCKETS} or {@link MAX_BLOB_BUCKET_METRICS}, or without buckets */
export function encodeBuckets({ tier, start, columns }: BucketRun): Uint8Array {
  const count = start.length;
  if (count === 0) throw new RangeError('there are no buckets');
  if (count > MAX_BLOB_BUCKETS) throw new RangeError(`${count} buckets are more than ${MAX_BLOB_BUCKETS}`);
  if (count * columns.size > MAX_BLOB_BUCKET_METRICS) {
    throw new RangeError(`${count} buckets of ${columns.size} metrics are more than ${MAX_BLOB_BUCKET_METRICS}`);
  }
  const writer = new ByteWriter();
  writer.byte(BLOB_TIERS.indexOf(tier));
  writer.uint(count);
  writeColumn(
    writer,
    start.map((at) => at / TIER_MS[tier]),
  );
  const counts = columns.values().next().value?.count ?? new Float64Array(count);
  writeColumn(writer, counts);
  const metrics = [...columns.values()].map((metric) => metricBytes(metric, counts));
  writer.uint(columns.size);
  for (const [index, key] of [...columns.keys()].entries()) {
    writeKey(writer, key);
    writer.uint((metrics[index] as Uint8Array).length);
  }
  for (const metric of metrics) writer.bytes(metric);
  return sealed(VERSION, writer.written());
}

/**
 * @param keys only these metrics are decoded; undefined: all. The others are absent from `columns`.
 * @throws HistoryError damaged
 */
export function decodeBuckets(workerId: string, blob: Uint8Array, keys?: readonly MetricKey[]): BucketRun {
  const reader = unsealed(blob, VERSION, WHAT);
  const tier = BLOB_TIERS[reader.byte()];
  if (tier === undefined) throw damaged(`${WHAT} is of an unknown tier`);
  const count = reader.uint(MAX_BLOB_BUCKETS);
  if (count === 0) throw damaged(`${WHAT} is empty`);
  const start = readColumn(reader, count).map((number) => number * TIER_MS[tier]);
  const counts = readColumn(reader, count);
  const metrics = reader.uint(Math.floor(MAX_BLOB_BUCKET_METRICS / count));
  const directory = Array.from({ length: metrics }, () => ({ key: readKey(reader), length: reader.uint(MAX_INT) }));
  const columns = new Map<MetricKey, BucketColumns>();
  for (const { key, length } of directory) {
    const metric = reader.part(length);
    if (keys === undefined || keys.includes(key)) columns.set(key, readMetric(metric, counts));
  }
  if (reader.left !== 0) throw damaged(`${WHAT} is longer than its metrics`);
  return { workerId, tier, start, columns };
}

function metricBytes(metric: BucketColumns, counts: Float64Array): Uint8Array {
  const writer = new ByteWriter();
  const ownCounts = metric.count.every((count, index) => count === counts[index]) ? 0 : OWN_COUNTS;
  const { min, max, sum, last, count } = filledOf(metric);
  const integers = integersOf(min, max, sum, last, count);
  writer.byte(ownCounts + (integers === undefined ? OTHERS : DECIMALS));
  if (ownCounts > 0) writeColumn(writer, metric.count);
  if (count.length === 0) return writer.written();
  if (integers === undefined) {
    for (const column of [min, max, last, sum]) writeColumn(writer, column);
  } else {
    writeIntegers(writer, integers, count);
  }
  return writer.written();
}

function readMetric(reader: ByteReader, counts: Float64Array): BucketColumns {
  const form = reader.byte();
  if (form > OWN_COUNTS + OTHERS) throw damaged(`a metric is of the unknown form ${form}`);
  const count = form >= OWN_COUNTS ? readColumn(reader, counts.length) : counts.slice();
  const filled = count.every((samples) => samples > 0) ? count : count.filter((samples) => samples > 0);
  if (filled.length === 0) return spread(count, [filled, filled, filled, filled]);
  if (form % OWN_COUNTS === OTHERS) {
    const [min, max, last, sum] = [0, 1, 2, 3].map(() => readColumn(reader, filled.length)) as Four;
    return spread(count, [min, max, last, sum]);
  }
  return spread(count, readIntegers(reader, filled));
}

type Four = [Float64Array, Float64Array, Float64Array, Float64Array];

/** Only the buckets that have the metric. */
function filledOf(metric: BucketColumns): BucketColumns {
  if (metric.count.every((count) => count > 0)) return metric;
  const filled = (column: Float64Array) => column.filter((_, index) => (metric.count[index] as number) > 0);
  const { min, max, sum, last, count } = metric;
  return { min: filled(min), max: filled(max), sum: filled(sum), last: filled(last), count: filled(count) };
}

function spread(count: Float64Array, columns: Four): BucketColumns {
  const [min, max, last, sum] = columns.map((filled) => {
    if (filled.length === count.length) return filled;
    const column = new Float64Array(count.length).fill(Number.NaN);
    let from = 0;
    for (let index = 0; index < column.length; index++) {
      if ((count[index] as number) > 0) column[index] = filled[from++] as number;
    }
    return column;
  }) as Four;
  return { min, max, sum, last, count };
}

/** Beyond it, the arithmetic of predictions would no longer be exact. */
const MAX_EXACT = 2 ** 50;

interface Integers {
  readonly scale: number;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly sum: Float64Array;
  readonly last: Float64Array;
}

function integersOf(
  ...[min, max, sum, last, count]: [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]
): Integers | undefined {
  const all = new Float64Array(min.length * 4);
  for (const [index, column] of [min, max, sum, last].entries()) all.set(column, index * min.length);
  const decimals = decimalsOf(all);
  if (decimals === undefined) return undefined;
  const { scale, integers } = decimals;
  for (let index = 0; index < integers.length; index++) {
    const samples = count[index % count.length] as number;
    if (Math.abs(integers[index] as number) * samples > MAX_EXACT) return undefined;
  }
  const part = (number: number) => integers.subarray(number * min.length, (number + 1) * min.length);
  return { scale, min: part(0), max: part(1), sum: part(2), last: part(3) };
}

function predictedSum(min: number, max: number, count: number): number {
  return Math.round((count * (min + max)) / 2);
}

/** Of max and min: near the last value only, or beyond this and the one before. */
const Bounds = { last: 0, both: 1 } as const;
type Bounds = (typeof Bounds)[keyof typeof Bounds];

/** Max and min (less than 0: the bound was passed), as distances from what is known already. */
function distancesOf({ min, max, last }: Integers, bounds: Bounds): { above: Float64Array; below: Float64Array } {
  const above = new Float64Array(last.length);
  const below = new Float64Array(last.length);
  for (let index = 0; index < last.length; index++) {
    const [low, high] = boundsOf(last, index, bounds);
    above[index] = (max[index] as number) - high;
    below[index] = low - (min[index] as number);
  }
  return { above, below };
}

function boundsOf(last: Float64Array, index: number, bounds: Bounds): readonly [low: number, high: number] {
  const value = last[index] as number;
  const before = bounds === Bounds.both && index > 0 ? (last[index - 1] as number) : value;
  return before < value ? [before, value] : [value, before];
}

function writeIntegers(writer: ByteWriter, integers: Integers, count: Float64Array): void {
  const { scale, min, max, sum, last } = integers;
  const [near, beyond] = [distancesOf(integers, Bounds.last), distancesOf(integers, Bounds.both)];
  const aboveBounds = sizeOf(beyond.above) < sizeOf(near.above) ? Bounds.both : Bounds.last;
  const belowBounds = sizeOf(beyond.below) < sizeOf(near.below) ? Bounds.both : Bounds.last;
  const misses = sum.map(
    (value, index) => value - predictedSum(min[index] as number, max[index] as number, count[index] as number),
  );
  const varying = misses.filter((_, index) => min[index] !== max[index]);
  const allSums = misses.every((miss, index) => min[index] !== max[index] || miss === 0) ? 0 : ALL_SUMS;
  writer.byte(scale);
  writer.byte(aboveBounds * ABOVE_BOTH + belowBounds * BELOW_BOTH + allSums);
  writeColumn(writer, last);
  writeColumn(writer, (aboveBounds === Bounds.both ? beyond : near).above);
  writeColumn(writer, (belowBounds === Bounds.both ? beyond : near).below);
  const sums = allSums === 0 ? varying : misses;
  if (sums.length > 0) writeColumn(writer, sums);
}

function readIntegers(reader: ByteReader, count: Float64Array): Four {
  const power = POWERS_OF_TEN[reader.byte()];
  if (power === undefined) throw damaged('a scale is too large');
  const how = reader.byte();
  const [isAboveBoth, isBelowBoth, hasAllSums] = [ABOVE_BOTH, BELOW_BOTH, ALL_SUMS].map((bit) => (how & bit) > 0);
  const last = readColumn(reader, count.length);
  const max = readColumn(reader, count.length);
  const min = readColumn(reader, count.length);
  let varying = 0;
  let before = last[0] as number;
  for (let index = 0; index < last.length; index++) {
    const value = last[index] as number;
    const high = (isAboveBoth && before > value ? before : value) + (max[index] as number);
    const low = (isBelowBoth && before < value ? before : value) - (min[index] as number);
    max[index] = high;
    min[index] = low;
    if (low !== high) varying++;
    before = value;
  }
  const misses = hasAllSums || varying > 0 ? readColumn(reader, hasAllSums ? count.length : varying) : NO_MISSES;
  const sum = new Float64Array(count.length);
  let next = 0;
  for (let index = 0; index < sum.length; index++) {
    const [low, high] = [min[index] as number, max[index] as number];
    const miss = hasAllSums || low !== high ? (misses[next++] as number) : 0;
    sum[index] = (predictedSum(low, high, count[index] as number) + miss) / power;
    min[index] = low / power;
    max[index] = high / power;
    last[index] = (last[index] as number) / power;
  }
  return [min, max, last, sum];
}

const NO_MISSES = new Float64Array(0);

function sizeOf(column: Float64Array): number {
  let size = 0;
  for (let index = 0; index < column.length; index++) size += Math.abs(column[index] as number);
  return size;
}
