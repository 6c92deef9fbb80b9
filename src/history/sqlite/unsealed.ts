/**
 * Samples as they are stored until their hour is sealed: plain columns, written and read without compression, since each lives
 * for minutes. Little-endian:
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
 *         u16  number of columns
 *         u16  index into the list of keys, for each column
 *         f64  time of receipt, n times
 *         f64  value, n times for each column
 *         u8   flags, n times
 */
import { crc32 } from 'node:zlib';
import { HistoryError } from '../history-error.ts';
import type { MetricKey, SampleRun } from '../samples.ts';

const VERSION = 1;
const HEAD_BYTES = 12;
const RUN_HEAD_BYTES = 22;

/** What the number of runs and the index of a key can count. */
export const MAX_RUNS = 0xffff;

export interface StoredRun {
  readonly worker: number;
  readonly samples: SampleRun;
}

/** @param runs at most {@link MAX_RUNS} */
export function encodeUnsealed(runs: readonly StoredRun[]): Uint8Array {
  const indexOf = new Map<MetricKey, number>();
  let bytes = 0;
  for (const { samples } of runs) {
    for (const key of samples.columns.keys()) if (!indexOf.has(key)) indexOf.set(key, indexOf.size);
    const { length } = samples.at;
    bytes += RUN_HEAD_BYTES + 2 * samples.columns.size + length * (8 + 8 * samples.columns.size + 1);
  }
  const keys = Buffer.from(JSON.stringify([...indexOf.keys()]));
  const data = Buffer.allocUnsafe(HEAD_BYTES + keys.length + bytes);
  data.writeUInt8(VERSION, 4);
  data.writeUInt8(0, 5);
  data.writeUInt16LE(runs.length, 6);
  data.writeUInt32LE(keys.length, 8);
  data.set(keys, HEAD_BYTES);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let offset = HEAD_BYTES + keys.length;
  for (const { worker, samples } of runs) {
    view.setUint32(offset, worker, true);
    view.setUint32(offset + 4, samples.run, true);
    view.setFloat64(offset + 8, samples.first, true);
    view.setUint32(offset + 16, samples.at.length, true);
    view.setUint16(offset + 20, samples.columns.size, true);
    offset += RUN_HEAD_BYTES;
    for (const key of samples.columns.keys()) {
      view.setUint16(offset, indexOf.get(key) as number, true);
      offset += 2;
    }
    offset = setColumn(view, offset, samples.at);
    for (const column of samples.columns.values()) offset = setColumn(view, offset, column);
    data.set(samples.flags, offset);
    offset += samples.flags.length;
  }
  data.writeUInt32LE(crc32(data.subarray(4)), 0);
  return data;
}

/**
 * Calls `visit` for the runs of the workers that `workerId` gives an id for.
 * @param keys undefined: all
 * @throws HistoryError `damaged`
 */
export function decodeUnsealed(
  data: Uint8Array,
  workerId: (worker: number) => string | undefined,
  keys: readonly MetricKey[] | undefined,
  visit: (worker: number, samples: SampleRun) => void,
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
    const worker = view.getUint32(offset, true);
    const count = view.getUint32(offset + 16, true);
    const columnCount = view.getUint16(offset + 20, true);
    const start = offset + RUN_HEAD_BYTES + 2 * columnCount;
    const end = start + count * (8 + 8 * columnCount + 1);
    const id = workerId(worker);
    if (id !== undefined) {
      const columns = new Map<MetricKey, Float64Array>();
      for (let column = 0; column < columnCount; column++) {
        const key = view.getUint16(offset + RUN_HEAD_BYTES + 2 * column, true);
        if (wanted[key]) columns.set(names[key] as string, getColumn(view, start + 8 * count * (1 + column), count));
      }
      visit(worker, {
        workerId: id,
        run: view.getUint32(offset + 4, true),
        first: view.getFloat64(offset + 8, true),
        at: getColumn(view, start, count),
        flags: new Uint8Array(data.subarray(end - count, end)),
        columns,
      });
    }
    offset = end;
  }
}

function setColumn(view: DataView, offset: number, values: Float64Array): number {
  for (let index = 0; index < values.length; index++)
    view.setFloat64(offset + 8 * index, values[index] as number, true);
  return offset + 8 * values.length;
}

function getColumn(view: DataView, offset: number, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let index = 0; index < count; index++) values[index] = view.getFloat64(offset + 8 * index, true);
  return values;
}
