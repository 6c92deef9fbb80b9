/**
 * `io.prometheus.write.v2.Request` of remote write 2.0:
 *
 *     Request     4 symbols (repeated string, the first empty), 5 timeseries (repeated TimeSeries)
 *     TimeSeries  1 labels_refs (packed uint32), 2 samples (repeated Sample), 5 metadata (Metadata), 6 created_timestamp (int64, ms)
 *     Sample      1 value (double), 2 timestamp (int64, ms), 3 start_timestamp (int64, ms)
 *     Metadata    1 type (enum), 3 help_ref (uint32), 4 unit_ref (uint32)
 *
 * Release candidates of the specification moved `created_timestamp` into the sample as `start_timestamp`: both are sent, since
 * receivers ignore fields that they do not know.
 * Field numbers: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0
 */

import { type ProtoWriter, varintBytes } from '../proto-writer.ts';
import type { Batch } from './batch.ts';
import { writeSnappyHeader } from './snappy.ts';
import type { Text } from './symbols.ts';

const SYMBOL = 0x22;
const SERIES = 0x2a;

/** Numbers messages, so that a text knows whether it is in this one. One thread encodes. */
let messages = 0;

export function encodeV2({ atUnixMs, series, values }: Batch, writer: ProtoWriter): Buffer {
  writer.begin();
  const message = messages++;
  writer.reserve(2);
  writer.byte(SYMBOL);
  writer.byte(0);
  let symbols = 1;
  const add = (text: Text): void => {
    if (text.message === message) return;
    text.message = message;
    const { bytes } = text;
    if (bytes.length === 0) {
      text.index = 0;
      return;
    }
    text.index = symbols++;
    writer.reserve(bytes.length + 8);
    writer.byte(SYMBOL);
    writer.varint(bytes.length);
    writer.raw(bytes);
  };
  for (const { labels, help, unit } of series) {
    for (const { name, value } of labels) {
      add(name);
      add(value);
    }
    add(help);
    add(unit);
  }

  const timeBytes = varintBytes(atUnixMs);
  for (let n = 0; n < series.length; n++) {
    const { labels, type, help, unit, createdUnixMs } = series[n] as Batch['series'][number];
    let refsBytes = 0;
    for (const { name, value } of labels) refsBytes += varintBytes(name.index) + varintBytes(value.index);
    const createdBytes = createdUnixMs > 0 ? 1 + varintBytes(createdUnixMs) : 0;
    const sampleBytes = 9 + 1 + timeBytes + createdBytes;
    const metadataBytes = 2 + 1 + varintBytes(help.index) + 1 + varintBytes(unit.index);
    const inside = 1 + varintBytes(refsBytes) + refsBytes + 2 + sampleBytes + 2 + metadataBytes + createdBytes;
    writer.reserve(inside + 16);
    writer.byte(SERIES);
    writer.varint(inside);
    writer.byte(0x0a);
    writer.varint(refsBytes);
    for (const { name, value } of labels) {
      writer.varint(name.index);
      writer.varint(value.index);
    }
    writer.byte(0x12);
    writer.byte(sampleBytes);
    writer.byte(0x09);
    writer.raw(values, 8 * n, 8 * n + 8);
    writer.byte(0x10);
    writer.varint(atUnixMs);
    if (createdBytes > 0) {
      writer.byte(0x18);
      writer.varint(createdUnixMs);
    }
    writer.byte(0x2a);
    writer.byte(metadataBytes);
    writer.byte(0x08);
    writer.byte(type);
    writer.byte(0x18);
    writer.varint(help.index);
    writer.byte(0x20);
    writer.varint(unit.index);
    if (createdBytes > 0) {
      writer.byte(0x30);
      writer.varint(createdUnixMs);
    }
  }
  return writer.take(writeSnappyHeader);
}
