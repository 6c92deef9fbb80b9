/**
 * Encodes `ExportMetricsServiceRequest`. By hand, since one of 100 workers has some 4,000 data points of which only time and value
 * are new: everything else is copied as bytes. Sizes are added up first, then everything is written once.
 *
 * Field numbers: opentelemetry/proto/metrics/v1 of opentelemetry-proto 1.x, which never change.
 *
 *     request ─1─► ResourceMetrics ─1─► resource
 *                                  ─2─► ScopeMetrics ─1─► scope
 *                                                    ─2─► Metric ─5, 7, 9─► Gauge, Sum, Histogram ─1─► data points
 *                                                    ─3─► schema_url
 *                                  ─3─► schema_url
 */
import type { Histogram } from '../../family.ts';
import type { ExportSeries, Point } from '../exporter.ts';
import { ProtoWriter, varintBytes } from '../proto-writer.ts';
import type { MetricHead, MetricHeads, OtlpSeries } from './metric-heads.ts';
import { REQUEST_BYTES } from './otlp-limits.ts';
import { unixNanos } from './wire.ts';

export interface EncodedRequest {
  readonly body: Buffer;
  readonly points: number;
}

interface Entry {
  readonly series: OtlpSeries;
  /** Undefined: the series has ended. */
  readonly value: number | Histogram | undefined;
}

/** The data points of one metric. */
interface Run {
  readonly head: MetricHead;
  readonly entries: Entry[];
  /** Of the `Gauge`, `Sum` or `Histogram`, and of the whole `Metric`. */
  dataBytes: number;
  metricBytes: number;
}

/** A field number with the wire type for 8 bytes, and for a length with bytes. */
const fixed = (field: number) => (field << 3) | 1;
const length = (field: number) => (field << 3) | 2;
const varint = (field: number) => field << 3;

const RESOURCE_METRICS = length(1);
const SCOPE_METRICS = length(2);
const METRIC = length(2);
const DATA = { gauge: length(5), counter: length(7), updowncounter: length(7), histogram: length(9) } as const;
const DATA_POINT = length(1);
const TEMPORALITY = varint(2);
const CUMULATIVE = 2;
const IS_MONOTONIC = varint(3);

const TIME = fixed(3);
const AS_DOUBLE = fixed(4);
const AS_INT = fixed(6);
const NUMBER_FLAGS = varint(8);
const HISTOGRAM_COUNT = fixed(4);
const HISTOGRAM_SUM = fixed(5);
const BUCKET_COUNTS = length(6);
const EXPLICIT_BOUNDS = length(7);
const HISTOGRAM_FLAGS = varint(10);
const NO_RECORDED_VALUE = 1;

/** Tag and value of a `fixed64` or `double`. */
const FIXED_BYTES = 9;
/** Tag and value of an enum, a bool or flags. */
const SMALL_BYTES = 2;

export class MetricsEncoder {
  readonly #heads: MetricHeads;
  readonly #scope: Buffer;
  readonly #schemaUrl: Buffer;
  readonly #writer = new ProtoWriter();
  #points = 0;
  /** Of the round, as the eight bytes of a `fixed64`. */
  #timeOf = Number.NaN;
  readonly #time = Buffer.alloc(8);

  /** @param scope, schemaUrl whole fields, see wire.ts */
  constructor(heads: MetricHeads, scope: Buffer, schemaUrl: Buffer) {
    this.#heads = heads;
    this.#scope = scope;
    this.#schemaUrl = schemaUrl;
  }

  /** @param resource a whole field, see wire.ts. @returns requests that became full */
  add(
    resource: Buffer,
    points: readonly Point<OtlpSeries>[],
    ended: readonly ExportSeries<OtlpSeries>[],
    atUnixMs: number,
  ): EncodedRequest[] {
    if (atUnixMs !== this.#timeOf) {
      this.#timeOf = atUnixMs;
      this.#time.writeBigUInt64LE(unixNanos(atUnixMs));
    }
    const full: EncodedRequest[] = [];
    let runs: Run[] = [];
    let bytes = 0;
    for (const run of this.#runsOf(points, ended, atUnixMs)) {
      if (runs.length > 0 && bytes + run.metricBytes > REQUEST_BYTES) {
        full.push(...this.#addResource(resource, runs, bytes));
        runs = [];
        bytes = 0;
      }
      runs.push(run);
      bytes += 1 + varintBytes(run.metricBytes) + run.metricBytes;
    }
    if (runs.length > 0) full.push(...this.#addResource(resource, runs, bytes));
    return full;
  }

  /** What is there; undefined: nothing. */
  finish(): EncodedRequest | undefined {
    if (this.#points === 0) return undefined;
    const request = { body: this.#writer.take(), points: this.#points };
    this.#points = 0;
    return request;
  }

  #runsOf(
    points: readonly Point<OtlpSeries>[],
    ended: readonly ExportSeries<OtlpSeries>[],
    atUnixMs: number,
  ): readonly Run[] {
    const runs: Run[] = [];
    let run: Run | undefined;
    for (const { series, value } of points) {
      const kept = this.#kept(series, atUnixMs);
      // Series of one family stand together.
      if (run?.head !== kept.head) {
        run = { head: kept.head, entries: [], dataBytes: 0, metricBytes: 0 };
        runs.push(run);
      }
      run.entries.push({ series: kept, value });
    }
    // As many families of a worker may end at once as it has custom metrics.
    const byHead = ended.length === 0 ? undefined : new Map(runs.map((one) => [one.head, one]));
    for (const series of ended) {
      // A series that was never sent needs no end.
      const { kept } = series;
      if (kept === undefined) continue;
      run = byHead?.get(kept.head);
      if (run === undefined) {
        run = { head: kept.head, entries: [], dataBytes: 0, metricBytes: 0 };
        runs.push(run);
        byHead?.set(kept.head, run);
      }
      run.entries.push({ series: kept, value: undefined });
    }
    for (const one of runs) measure(one);
    return runs;
  }

  #kept(series: ExportSeries<OtlpSeries>, atUnixMs: number): OtlpSeries {
    let { kept } = series;
    const isRestarted = series.createdUnixMs !== undefined && kept?.startUnixMs !== series.createdUnixMs;
    if (kept === undefined || (isRestarted && kept.startUnixMs !== undefined)) {
      kept = this.#heads.seriesOf(series, atUnixMs);
      series.kept = kept;
    }
    return kept;
  }

  #addResource(resource: Buffer, runs: readonly Run[], metricsBytes: number): EncodedRequest[] {
    const scopeBytes = this.#scope.length + metricsBytes + this.#schemaUrl.length;
    const resourceBytes = resource.length + 1 + varintBytes(scopeBytes) + scopeBytes + this.#schemaUrl.length;
    const writer = this.#writer;
    const isFull = writer.length > 0 && writer.length + resourceBytes > REQUEST_BYTES;
    const before = isFull ? this.finish() : undefined;
    writer.reserve(1 + varintBytes(resourceBytes) + resourceBytes);
    writer.byte(RESOURCE_METRICS);
    writer.varint(resourceBytes);
    writer.raw(resource);
    writer.byte(SCOPE_METRICS);
    writer.varint(scopeBytes);
    writer.raw(this.#scope);
    for (const run of runs) this.#writeRun(run);
    writer.raw(this.#schemaUrl);
    writer.raw(this.#schemaUrl);
    return before === undefined ? [] : [before];
  }

  #writeRun({ head, entries, dataBytes, metricBytes }: Run): void {
    const writer = this.#writer;
    writer.byte(METRIC);
    writer.varint(metricBytes);
    writer.raw(head.bytes);
    writer.byte(DATA[head.instrument]);
    writer.varint(dataBytes);
    for (const entry of entries) this.#writePoint(entry);
    this.#points += entries.length;
    if (head.instrument === 'gauge') return;
    writer.byte(TEMPORALITY);
    writer.byte(CUMULATIVE);
    if (head.instrument !== 'counter') return;
    writer.byte(IS_MONOTONIC);
    writer.byte(1);
  }

  #writePoint(entry: Entry): void {
    const { series, value } = entry;
    const writer = this.#writer;
    writer.byte(DATA_POINT);
    writer.varint(pointBytes(entry));
    writer.raw(series.pointStart);
    writer.byte(TIME);
    writer.raw(this.#time);
    const { isInteger, instrument } = series.head;
    if (value === undefined) {
      writer.byte(instrument === 'histogram' ? HISTOGRAM_FLAGS : NUMBER_FLAGS);
      writer.byte(NO_RECORDED_VALUE);
    } else if (typeof value !== 'number') {
      this.#writeHistogram(value);
    } else if (isInteger && Number.isSafeInteger(Math.round(value))) {
      writer.byte(AS_INT);
      writer.fixed64(Math.round(value));
    } else {
      writer.byte(AS_DOUBLE);
      writer.double(value);
    }
  }

  #writeHistogram({ upperBounds, cumulativeCounts, count, sum }: Histogram): void {
    const writer = this.#writer;
    writer.byte(HISTOGRAM_COUNT);
    writer.fixed64(count);
    writer.byte(HISTOGRAM_SUM);
    writer.double(sum);
    writer.byte(BUCKET_COUNTS);
    writer.varint(8 * (upperBounds.length + 1));
    let below = 0;
    for (const cumulative of cumulativeCounts) {
      writer.fixed64(cumulative - below);
      below = cumulative;
    }
    writer.fixed64(count - below);
    writer.byte(EXPLICIT_BOUNDS);
    writer.varint(8 * upperBounds.length);
    for (const bound of upperBounds) writer.double(bound);
  }
}

function measure(run: Run): void {
  const { head, entries } = run;
  let bytes = 0;
  for (const entry of entries) {
    const point = pointBytes(entry);
    bytes += 1 + varintBytes(point) + point;
  }
  if (head.instrument !== 'gauge') bytes += SMALL_BYTES;
  if (head.instrument === 'counter') bytes += SMALL_BYTES;
  run.dataBytes = bytes;
  run.metricBytes = head.bytes.length + 1 + varintBytes(bytes) + bytes;
}

function pointBytes({ series, value }: Entry): number {
  const common = series.pointStart.length + FIXED_BYTES;
  if (value === undefined) return common + SMALL_BYTES;
  if (typeof value === 'number') return common + FIXED_BYTES;
  const bounds = 8 * value.upperBounds.length;
  const counts = bounds + 8;
  return common + 2 * FIXED_BYTES + 1 + varintBytes(counts) + counts + 1 + varintBytes(bounds) + bounds;
}
