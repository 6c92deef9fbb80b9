/**
 * `prometheus.WriteRequest` of remote write 1.0:
 *
 *     WriteRequest    1 timeseries (repeated TimeSeries), 3 metadata (repeated MetricMetadata)
 *     TimeSeries      1 labels (repeated Label), 2 samples (repeated Sample)
 *     Sample          1 value (double), 2 timestamp (int64, ms)
 *     MetricMetadata  1 type (enum), 2 metric_family_name, 4 help, 5 unit
 *
 * Field numbers: https://prometheus.io/docs/specs/prw/remote_write_spec, and prompb/types.proto of Prometheus for the metadata.
 */

import { type ProtoWriter, varintBytes } from '../proto-writer.ts';
import type { Batch, FamilyMetadata } from './batch.ts';
import { writeSnappyHeader } from './snappy.ts';

const LABELS_OF_SERIES = 0x0a;
const SAMPLES_OF_SERIES = 0x12;

export function encodeV1({ atUnixMs, series, values, metadata }: Batch, writer: ProtoWriter): Buffer {
  writer.begin();
  // Value and timestamp, each with its tag.
  const sampleBytes = 9 + 1 + varintBytes(atUnixMs);
  for (let n = 0; n < series.length; n++) {
    const { labels, v1Bytes } = series[n] as Batch['series'][number];
    const inside = v1Bytes + 1 + varintBytes(sampleBytes) + sampleBytes;
    writer.reserve(inside + 16);
    writer.byte(LABELS_OF_SERIES);
    writer.varint(inside);
    for (const { v1 } of labels) writer.raw(v1);
    writer.byte(SAMPLES_OF_SERIES);
    writer.varint(sampleBytes);
    writer.byte(0x09);
    writer.raw(values, 8 * n, 8 * n + 8);
    writer.byte(0x10);
    writer.varint(atUnixMs);
  }
  for (const family of metadata) writeMetadata(family, writer);
  return writer.take(writeSnappyHeader);
}

/** With tag and length. */
export function metadataBytes(family: FamilyMetadata): number {
  const inside = insideOf(textsOf(family));
  return 1 + varintBytes(inside) + inside;
}

type Texts = readonly (readonly [tag: number, bytes: Uint8Array])[];

function textsOf({ name, help, unit }: FamilyMetadata): Texts {
  return [
    [0x12, Buffer.from(name)],
    [0x22, Buffer.from(help)],
    [0x2a, Buffer.from(unit)],
  ];
}

/** Of the texts and the type. */
function insideOf(texts: Texts): number {
  return texts.reduce((sum, [, bytes]) => sum + 1 + varintBytes(bytes.length) + bytes.length, 2);
}

function writeMetadata(family: FamilyMetadata, writer: ProtoWriter): void {
  const texts = textsOf(family);
  const inside = insideOf(texts);
  writer.reserve(inside + 16);
  writer.byte(0x1a);
  writer.varint(inside);
  writer.byte(0x08);
  writer.byte(family.type);
  for (const [tag, bytes] of texts) {
    writer.byte(tag);
    writer.varint(bytes.length);
    writer.raw(bytes);
  }
}
