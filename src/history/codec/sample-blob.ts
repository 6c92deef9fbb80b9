/**
 * Samples of one worker, usually of an hour, as a blob. The folder's README draws the format.
 *
 *     blob      envelope | count of runs (uint) | runs | times (column) | flags (column) | count of metrics (uint) | directory
 *               | columns
 *     run       its number (uint) | number of its first sample (uint) | count of its samples (uint)
 *     directory for each metric: key | length of its column in bytes (uint)
 *
 * The columns go through all runs, so that a metric costs its start only once.
 */
import type { MetricKey, SampleRun } from '../samples.ts';
import { type ByteReader, ByteWriter, damaged, MAX_INT } from './bytes.ts';
import { readColumn, writeColumn } from './column.ts';
import { sealed, unsealed } from './envelope.ts';
import { readKey, writeKey } from './metric-keys.ts';

const VERSION = 1;
const WHAT = 'a blob of samples';

/** 20 heartbeats a second for an hour. Whoever seals more makes several blobs. */
export const MAX_BLOB_SAMPLES = 72_000;
/** Bounds the memory that a blob takes when it is decoded as a whole: 128 MiB. */
export const MAX_BLOB_NUMBERS = 2 ** 24;

/** What a blob says about itself without decoding a column. */
export interface SampleBlobSummary {
  readonly count: number;
  readonly runs: readonly { readonly run: number; readonly first: number; readonly count: number }[];
  readonly keys: readonly MetricKey[];
}

/**
 * @param runs of one worker, in order, each with at least one sample. A metric that a run lacks is absent there.
 * @throws RangeError beyond {@link MAX_BLOB_SAMPLES} or {@link MAX_BLOB_NUMBERS}, or without samples
 */
export function encodeSamples(runs: readonly SampleRun[]): Uint8Array {
  const count = runs.reduce((sum, { at }) => sum + at.length, 0);
  const keys = [...new Set(runs.flatMap(({ columns }) => [...columns.keys()]))];
  if (count === 0 || runs.some(({ at }) => at.length === 0)) throw new RangeError('a run has no samples');
  if (count > MAX_BLOB_SAMPLES) throw new RangeError(`${count} samples are more than ${MAX_BLOB_SAMPLES}`);
  if (count * keys.length > MAX_BLOB_NUMBERS) {
    throw new RangeError(`${count} samples of ${keys.length} metrics are more than ${MAX_BLOB_NUMBERS} numbers`);
  }
  const writer = new ByteWriter();
  writer.uint(runs.length);
  for (const { run, first, at } of runs) {
    writer.uint(run);
    writer.uint(first);
    writer.uint(at.length);
  }
  writeColumn(
    writer,
    joined(runs, count, ({ at }) => at),
  );
  writeColumn(
    writer,
    joined(runs, count, ({ flags }) => flags),
  );
  writer.uint(keys.length);
  const columns = new ByteWriter();
  for (const key of keys) {
    const from = columns.length;
    writeColumn(
      columns,
      joined(runs, count, (run) => run.columns.get(key)),
    );
    writeKey(writer, key);
    writer.uint(columns.length - from);
  }
  writer.bytes(columns.written());
  return sealed(VERSION, writer.written());
}

/**
 * @param keys only these metrics are decoded; undefined: all. The others are absent from `columns`.
 * @throws HistoryError damaged
 */
export function decodeSamples(workerId: string, blob: Uint8Array, keys?: readonly MetricKey[]): SampleRun[] {
  const reader = unsealed(blob, VERSION, WHAT);
  const { runs, count } = readRuns(reader);
  const at = readColumn(reader, count);
  const flags = new Uint8Array(readColumn(reader, count));
  const columns = new Map<MetricKey, Float64Array>();
  for (const { key, length } of readDirectory(reader, count)) {
    const column = reader.part(length);
    if (keys === undefined || keys.includes(key)) columns.set(key, readColumn(column, count));
  }
  if (reader.left !== 0) throw damaged(`${WHAT} is longer than its columns`);
  let from = 0;
  return runs.map(({ run, first, count: length }) => {
    const to = from + length;
    const part: SampleRun = {
      workerId,
      run,
      first,
      at: at.subarray(from, to),
      flags: flags.subarray(from, to),
      columns:
        runs.length === 1 ? columns : new Map([...columns].map(([key, column]) => [key, column.subarray(from, to)])),
    };
    from = to;
    return part;
  });
}

/** @throws HistoryError damaged */
export function summaryOf(blob: Uint8Array): SampleBlobSummary {
  const reader = unsealed(blob, VERSION, WHAT);
  const { runs, count } = readRuns(reader);
  readColumn(reader, count);
  readColumn(reader, count);
  return { count, runs, keys: readDirectory(reader, count).map(({ key }) => key) };
}

function joined(
  runs: readonly SampleRun[],
  count: number,
  of: (run: SampleRun) => Float64Array | Uint8Array | undefined,
): Float64Array {
  const only = runs.length === 1 ? of(runs[0] as SampleRun) : undefined;
  if (only instanceof Float64Array) return only;
  const column = new Float64Array(count).fill(Number.NaN);
  let to = 0;
  for (const run of runs) {
    const part = of(run);
    if (part !== undefined) column.set(part, to);
    to += run.at.length;
  }
  return column;
}

function readRuns(reader: ByteReader): Pick<SampleBlobSummary, 'runs' | 'count'> {
  const runs = Array.from({ length: reader.uint(MAX_BLOB_SAMPLES) }, () => ({
    run: reader.uint(MAX_INT),
    first: reader.uint(MAX_INT),
    count: reader.uint(MAX_BLOB_SAMPLES),
  }));
  const count = runs.reduce((sum, { count }) => sum + count, 0);
  if (count === 0 || count > MAX_BLOB_SAMPLES) throw damaged(`${WHAT} says that it holds ${count} samples`);
  return { runs, count };
}

function readDirectory(
  reader: ByteReader,
  count: number,
): readonly { readonly key: MetricKey; readonly length: number }[] {
  const metrics = reader.uint(Math.floor(MAX_BLOB_NUMBERS / count));
  return Array.from({ length: metrics }, () => ({ key: readKey(reader), length: reader.uint(MAX_INT) }));
}
