/**
 * Buckets of one worker and tier as a blob: a day of minutes, or a month of hours. The folder's README draws the format.
 *
 *     blob      envelope | tier (byte) | count of buckets (uint) | starts (column) | counts (column)
 *               | count of metrics (uint) | directory | metrics
 *     directory for each metric: key | length of the metric in bytes (uint)
 *     metric    form (byte): 0 decimals, 1 other numbers; +2: its counts are not those of the blob
 *               | own counts (column), if so
 *               | decimals: scale (byte) | last | max - last | last - min | sum - predicted sum (integers as columns)
 *               | others: min | max | last | sum (columns)
 *
 * All numbers of a metric are integers of one scale; a sum is near the count times the middle of min and max.
 * Buckets without the metric (count 0) are in none of its columns but the counts.
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
    writer.byte(integers.scale);
    writeColumn(writer, integers.last);
    writeColumn(
      writer,
      integers.max.map((value, index) => value - (integers.last[index] as number)),
    );
    writeColumn(
      writer,
      integers.min.map((value, index) => (integers.last[index] as number) - value),
    );
    const predicted = predictedSums(integers.min, integers.max, count);
    writeColumn(
      writer,
      integers.sum.map((value, index) => value - (predicted[index] as number)),
    );
  }
  return writer.written();
}

function readMetric(reader: ByteReader, counts: Float64Array): BucketColumns {
  const form = reader.byte();
  if (form > OWN_COUNTS + OTHERS) throw damaged(`a metric is of the unknown form ${form}`);
  const count = form >= OWN_COUNTS ? readColumn(reader, counts.length) : counts.slice();
  const filled = count.filter((samples) => samples > 0);
  if (filled.length === 0) return spread(count, [filled, filled, filled, filled]);
  if (form % OWN_COUNTS === OTHERS) {
    const [min, max, last, sum] = [0, 1, 2, 3].map(() => readColumn(reader, filled.length)) as Four;
    return spread(count, [min, max, last, sum]);
  }
  const power = POWERS_OF_TEN[reader.byte()];
  if (power === undefined) throw damaged('a scale is too large');
  const [last, above, below, missed] = [0, 1, 2, 3].map(() => readColumn(reader, filled.length)) as Four;
  const max = last.map((value, index) => value + (above[index] as number));
  const min = last.map((value, index) => value - (below[index] as number));
  const predicted = predictedSums(min, max, filled);
  const sum = predicted.map((value, index) => value + (missed[index] as number));
  return spread(count, [min, max, last, sum].map((column) => column.map((value) => value / power)) as Four);
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

function predictedSums(min: Float64Array, max: Float64Array, count: Float64Array): Float64Array {
  return count.map((samples, index) => Math.round((samples * ((min[index] as number) + (max[index] as number))) / 2));
}
