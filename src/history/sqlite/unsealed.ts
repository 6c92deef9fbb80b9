/**
 * Samples as they are stored until their hour is sealed: written and read fast, since each lives for minutes, and small enough to
 * be written twice. Little-endian:
 *
 *     0   u32  CRC-32 of everything after it
 *     4   u8   version of this format: 1
 *     5   u8   0
 *     6   u16  number of runs
 *     8   u32  bytes of the list of keys
 *     12       keys: JSON array of texts
 *     each run:
 *         u32  worker
 *         u32  run of the master
 *         f64  number of the first sample
 *         u32  number of samples, n
 *         u32  bytes of its columns and flags
 *         u16  number of metrics
 *         u16  index into the list of keys, for each metric
 *              times of receipt, then the values of each metric: a column each
 *         u8   flags, n times
 *     each column:
 *         u8   kind
 *              0  f64, n times
 *              1  f64, the value of all
 *              2, 3, 4  integers of 1, 2, 4 bytes:
 *                 u8   decimal places, d
 *                 f64  base, b
 *                 n integers i: each value is (b + i) / 10^d
 */
import { crc32 } from 'node:zlib';
import { HistoryError } from '../history-error.ts';
import type { MetricKey, SampleRun } from '../samples.ts';
import type { RunCollector } from './run-collector.ts';

const VERSION = 1;
const HEAD_BYTES = 12;
const RUN_HEAD_BYTES = 26;

/** What the number of runs, and the index of a key, can count. */
const MAX_COUNT = 0xffff;

const RAW = 0;
const SAME = 1;
const INTEGERS = 2;
/** Most metrics have at most two decimal places; more attempts would cost more than they save. */
const POWERS = [1, 10, 100, 1000];

export interface StoredRun {
  readonly worker: number;
  readonly samples: SampleRun;
}

/** As few rows as the format's counts allow: as a rule, one. */
export function unsealedRows(runs: readonly StoredRun[]): Uint8Array[] {
  const rows: Uint8Array[] = [];
  let start = 0;
  let columns = 0;
  for (const [index, { samples }] of runs.entries()) {
    columns += Math.max(samples.columns.size, 1);
    if (columns <= MAX_COUNT) continue;
    rows.push(encodeUnsealed(runs.slice(start, index)));
    start = index;
    columns = Math.max(samples.columns.size, 1);
  }
  if (start < runs.length) rows.push(encodeUnsealed(runs.slice(start)));
  return rows;
}

function encodeUnsealed(runs: readonly StoredRun[]): Uint8Array {
  const indexOf = new Map<MetricKey, number>();
  // The largest that it can become: every column as numbers of 8 bytes or, of a single sample, one.
  let bytes = 0;
  for (const { samples } of runs) {
    for (const key of samples.columns.keys()) if (!indexOf.has(key)) indexOf.set(key, indexOf.size);
    bytes += RUN_HEAD_BYTES + samples.at.length + (samples.columns.size + 1) * (11 + 8 * samples.at.length);
  }
  const keys = Buffer.from(JSON.stringify([...indexOf.keys()]));
  const data = new Uint8Array(HEAD_BYTES + keys.length + bytes);
  const view = new DataView(data.buffer);
  view.setUint8(4, VERSION);
  view.setUint16(6, runs.length, true);
  view.setUint32(8, keys.length, true);
  data.set(keys, HEAD_BYTES);
  let offset = HEAD_BYTES + keys.length;
  for (const { worker, samples } of runs) {
    const head = offset;
    view.setUint32(head, worker, true);
    view.setUint32(head + 4, samples.run, true);
    view.setFloat64(head + 8, samples.first, true);
    view.setUint32(head + 16, samples.at.length, true);
    view.setUint16(head + 24, samples.columns.size, true);
    offset += RUN_HEAD_BYTES;
    for (const key of samples.columns.keys()) {
      view.setUint16(offset, indexOf.get(key) as number, true);
      offset += 2;
    }
    const start = offset;
    offset = writeColumn(view, offset, samples.at);
    for (const column of samples.columns.values()) offset = writeColumn(view, offset, column);
    data.set(samples.flags, offset);
    offset += samples.flags.length;
    view.setUint32(head + 20, offset - start, true);
  }
  const written = data.subarray(0, offset);
  view.setUint32(0, crc32(written.subarray(4)), true);
  return written;
}

/**
 * Adds the runs of a worker to what `collectorOf` gives for it; undefined: not wanted.
 * @param keys undefined: all
 * @throws HistoryError `damaged`, before anything was added
 */
export function decodeUnsealed(
  data: Uint8Array,
  keys: readonly MetricKey[] | undefined,
  collectorOf: (worker: number) => RunCollector | undefined,
): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < HEAD_BYTES || view.getUint32(0, true) !== crc32(data.subarray(4))) {
    throw new HistoryError('damaged', 'samples that are not sealed yet do not match their checksum');
  }
  if (view.getUint8(4) !== VERSION) {
    throw new HistoryError('damaged', `samples have the unknown format ${view.getUint8(4)}`);
  }
  const runs = view.getUint16(6, true);
  const keyBytes = view.getUint32(8, true);
  const names: readonly MetricKey[] = JSON.parse(
    Buffer.from(data.buffer, data.byteOffset + HEAD_BYTES, keyBytes).toString('utf8'),
  );
  const wanted = names.map((key) => keys === undefined || keys.includes(key));
  let offset = HEAD_BYTES + keyBytes;
  for (let index = 0; index < runs; index++) {
    const metrics = view.getUint16(offset + 24, true);
    const indexes = offset + RUN_HEAD_BYTES;
    const start = indexes + 2 * metrics;
    const collector = collectorOf(view.getUint32(offset, true));
    if (collector !== undefined) {
      const count = view.getUint32(offset + 16, true);
      const place = collector.reserve(view.getUint32(offset + 4, true), view.getFloat64(offset + 8, true), count);
      readColumn(view, start, count, collector.at, place);
      let column = start + columnBytes(view, start, count);
      for (let metric = 0; metric < metrics; metric++) {
        const key = view.getUint16(indexes + 2 * metric, true);
        if (wanted[key]) readColumn(view, column, count, collector.column(names[key] as string), place);
        column += columnBytes(view, column, count);
      }
      collector.flags.set(data.subarray(column, column + count), place);
    }
    offset = start + view.getUint32(offset + 20, true);
  }
}

/** @returns the offset behind it */
function writeColumn(view: DataView, offset: number, values: Float64Array): number {
  const head = values[0] as number;
  if (values.every((value) => Object.is(value, head))) {
    view.setUint8(offset, SAME);
    view.setFloat64(offset + 1, head, true);
    return offset + 9;
  }
  for (const [places, power] of POWERS.entries()) {
    const range = integerRange(values, power);
    if (range === undefined) continue;
    return writeIntegers(view, offset, values, places, power, range.least, range.most - range.least);
  }
  view.setUint8(offset, RAW);
  let at = offset + 1;
  for (const value of values) {
    view.setFloat64(at, value, true);
    at += 8;
  }
  return at;
}

/** Undefined: not all values are integers after multiplication by `power`, or they are too far apart for 4 bytes. */
function integerRange(values: Float64Array, power: number): { least: number; most: number } | undefined {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    const integer = Math.round(value * power);
    if (integer / power !== value || Object.is(value, -0) || !Number.isSafeInteger(integer)) return undefined;
    if (integer < least) least = integer;
    if (integer > most) most = integer;
  }
  return most - least <= 0xffff_ffff ? { least, most } : undefined;
}

function writeIntegers(
  view: DataView,
  offset: number,
  values: Float64Array,
  places: number,
  power: number,
  base: number,
  range: number,
): number {
  const kind = range <= 0xff ? INTEGERS : range <= 0xffff ? INTEGERS + 1 : INTEGERS + 2;
  view.setUint8(offset, kind);
  view.setUint8(offset + 1, places);
  view.setFloat64(offset + 2, base, true);
  let at = offset + 10;
  for (const value of values) {
    const integer = Math.round(value * power) - base;
    if (kind === INTEGERS) view.setUint8(at, integer);
    else if (kind === INTEGERS + 1) view.setUint16(at, integer, true);
    else view.setUint32(at, integer, true);
    at += widthOf(kind);
  }
  return at;
}

function widthOf(kind: number): number {
  return 1 << (kind - INTEGERS);
}

function columnBytes(view: DataView, offset: number, count: number): number {
  const kind = view.getUint8(offset);
  if (kind === RAW) return 1 + 8 * count;
  return kind === SAME ? 9 : 10 + widthOf(kind) * count;
}

function readColumn(view: DataView, offset: number, count: number, into: Float64Array, place: number): void {
  const kind = view.getUint8(offset);
  if (kind === RAW) {
    for (let index = 0; index < count; index++) into[place + index] = view.getFloat64(offset + 1 + 8 * index, true);
  } else if (kind === SAME) {
    into.fill(view.getFloat64(offset + 1, true), place, place + count);
  } else {
    const power = POWERS[view.getUint8(offset + 1)] as number;
    const base = view.getFloat64(offset + 2, true);
    const width = widthOf(kind);
    let at = offset + 10;
    for (let index = 0; index < count; index++) {
      const integer =
        width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
      into[place + index] = (base + integer) / power;
      at += width;
    }
  }
}
