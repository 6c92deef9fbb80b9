/**
 * Families as `io.prometheus.client.MetricFamily`, each after its length as a varint.
 * Field numbers: https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ExponentialBuckets, Family, FamilyType, FamilyWithSeries, Histogram, Label, Series } from '../family.ts';
import type { Format } from './format.ts';
import { exposedName, uniqueLabels } from './text.ts';

const FAMILY = { name: 1, help: 2, type: 3, metric: 4, unit: 5 } as const;
const METRIC = { label: 1, gauge: 2, counter: 3, histogram: 7 } as const;
const LABEL = { name: 1, value: 2 } as const;
/** Of gauges and counters; `created` of counters alone. */
const NUMBER = { value: 1, created: 3 } as const;
const HISTOGRAM = {
  count: 1,
  sum: 2,
  bucket: 3,
  schema: 5,
  zeroThreshold: 6,
  zeroCount: 7,
  positiveSpan: 12,
  positiveDelta: 13,
  created: 15,
} as const;
const BUCKET = { cumulativeCount: 1, upperBound: 2 } as const;
const SPAN = { offset: 1, length: 2 } as const;
const TIMESTAMP = { seconds: 1, nanos: 2 } as const;

const TYPES: Readonly<Record<FamilyType, number>> = { counter: 0, gauge: 1, info: 1, stateset: 1, histogram: 4 };

/** One delimited message. */
export function familyBytes({ family, series }: FamilyWithSeries, format: Format): Uint8Array {
  const writer = new BinaryWriter().fork();
  text(writer, FAMILY.name, exposedName(family, format));
  text(writer, FAMILY.help, family.help);
  writer.tag(FAMILY.type, WireType.Varint).int32(TYPES[family.type]);
  for (const one of series) {
    message(writer, FAMILY.metric, () => writeSeries(writer, family, one, format));
  }
  if (family.unit !== undefined) text(writer, FAMILY.unit, family.unit);
  return writer.join().finish();
}

function writeSeries(writer: BinaryWriter, { type }: Family, series: Series, format: Format): void {
  const { labels, value, createdUnixMs } = series;
  writeLabels(writer, labels, format);
  if (typeof value !== 'number') {
    message(writer, METRIC.histogram, () => writeHistogram(writer, value, createdUnixMs));
    return;
  }
  message(writer, type === 'counter' ? METRIC.counter : METRIC.gauge, () => {
    writer.tag(NUMBER.value, WireType.Bit64).double(value);
    if (type === 'counter') writeCreated(writer, NUMBER.created, createdUnixMs);
  });
}

/**
 * For writers that put a family together from the bytes of its series: what stands before and behind them.
 * @param seriesBytes of all series
 */
export function familyAround(
  family: Family,
  seriesBytes: number,
  format: Format,
): { readonly before: Uint8Array; readonly behind: Uint8Array } {
  const head = new BinaryWriter();
  text(head, FAMILY.name, exposedName(family, format));
  text(head, FAMILY.help, family.help);
  const headBytes = head.tag(FAMILY.type, WireType.Varint).int32(TYPES[family.type]).finish();
  const unit = new BinaryWriter();
  if (family.unit !== undefined) text(unit, FAMILY.unit, family.unit);
  const behind = unit.finish();
  const length = new BinaryWriter().uint32(headBytes.length + seriesBytes + behind.length).finish();
  return { before: Buffer.concat([length, headBytes]), behind };
}

/** The labels of a series. */
export function labelBytes(labels: readonly Label[], format: Format): Uint8Array {
  const writer = new BinaryWriter();
  writeLabels(writer, labels, format);
  return writer.finish();
}

/** What stands before the bytes of the labels of a gauge or counter, and between them and its value, a double, which ends it. */
export function numberAround(
  type: FamilyType,
  labelsBytes: number,
): { readonly before: Uint8Array; readonly between: Uint8Array } {
  const between = new BinaryWriter()
    .tag(type === 'counter' ? METRIC.counter : METRIC.gauge, WireType.LengthDelimited)
    .uint32(TAG_BYTES + DOUBLE_BYTES)
    .tag(NUMBER.value, WireType.Bit64)
    .finish();
  const before = new BinaryWriter()
    .tag(FAMILY.metric, WireType.LengthDelimited)
    .uint32(labelsBytes + between.length + DOUBLE_BYTES)
    .finish();
  return { before, between };
}

const TAG_BYTES = 1;
const DOUBLE_BYTES = 8;

function writeLabels(writer: BinaryWriter, labels: readonly Label[], format: Format): void {
  for (const [name, value] of uniqueLabels(labels, format)) {
    message(writer, METRIC.label, () => {
      text(writer, LABEL.name, name);
      text(writer, LABEL.value, value);
    });
  }
}

function writeHistogram(writer: BinaryWriter, histogram: Histogram, createdUnixMs: number | undefined): void {
  writer.tag(HISTOGRAM.count, WireType.Varint).uint64(histogram.count);
  writer.tag(HISTOGRAM.sum, WireType.Bit64).double(histogram.sum);
  for (const [index, upperBound] of histogram.upperBounds.entries()) {
    message(writer, HISTOGRAM.bucket, () => {
      writer.tag(BUCKET.cumulativeCount, WireType.Varint).uint64(histogram.cumulativeCounts[index] as number);
      writer.tag(BUCKET.upperBound, WireType.Bit64).double(upperBound);
    });
  }
  if (histogram.exponential !== undefined) writeNative(writer, histogram.exponential);
  writeCreated(writer, HISTOGRAM.created, createdUnixMs);
}

/** Empty buckets up to this many are written as zeros: a new span takes about as much. */
const ZEROS_WITHIN_A_SPAN = 2;

function writeNative(writer: BinaryWriter, native: ExponentialBuckets): void {
  const { schema, zeroThreshold, zeroCount } = native;
  writer.tag(HISTOGRAM.schema, WireType.Varint).sint32(schema);
  writer.tag(HISTOGRAM.zeroThreshold, WireType.Bit64).double(zeroThreshold);
  writer.tag(HISTOGRAM.zeroCount, WireType.Varint).uint64(zeroCount);
  const { spans, deltas } = sparse(native);
  for (const { offset, length } of spans) {
    message(writer, HISTOGRAM.positiveSpan, () => {
      writer.tag(SPAN.offset, WireType.Varint).sint32(offset);
      writer.tag(SPAN.length, WireType.Varint).uint32(length);
    });
  }
  for (const delta of deltas) writer.tag(HISTOGRAM.positiveDelta, WireType.Varint).sint64(delta);
}

interface Sparse {
  /** The first offset is an index, each later one the number of buckets left out before the span. */
  readonly spans: readonly { readonly offset: number; readonly length: number }[];
  /** Each bucket's count less that of the one before it, across spans. */
  readonly deltas: readonly number[];
}

/**
 * Without observations there is one empty span: by it Prometheus knows a native histogram that is still empty.
 */
export function sparse({ firstIndex, counts }: Pick<ExponentialBuckets, 'firstIndex' | 'counts'>): Sparse {
  const spans: { offset: number; length: number }[] = [];
  const deltas: number[] = [];
  let next = 0;
  let last = 0;
  const add = (count: number): void => {
    deltas.push(count - last);
    last = count;
  };
  for (const [position, count] of counts.entries()) {
    if (count === 0) continue;
    const index = firstIndex + position;
    const span = spans.at(-1);
    const gap = index - next;
    if (span !== undefined && gap <= ZEROS_WITHIN_A_SPAN) {
      for (let zero = 0; zero < gap; zero++) add(0);
      span.length += gap + 1;
    } else {
      spans.push({ offset: span === undefined ? index : gap, length: 1 });
    }
    add(count);
    next = index + 1;
  }
  return spans.length === 0 ? { spans: [{ offset: 0, length: 0 }], deltas } : { spans, deltas };
}

function writeCreated(writer: BinaryWriter, field: number, createdUnixMs: number | undefined): void {
  if (createdUnixMs === undefined) return;
  message(writer, field, () => {
    const seconds = Math.floor(createdUnixMs / 1000);
    writer.tag(TIMESTAMP.seconds, WireType.Varint).int64(seconds);
    writer.tag(TIMESTAMP.nanos, WireType.Varint).int32(Math.round((createdUnixMs - seconds * 1000) * 1e6));
  });
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}
