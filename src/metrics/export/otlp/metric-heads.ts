/**
 * What of a series is the same in each request, encoded once: the name, unit and description of its metric, and the attributes and the
 * start of its data points.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Family } from '../../family.ts';
import type { ExportSeries } from '../exporter.ts';
import { attributesOf, type Conventions, type Instrument, otlpNameOf } from './conventions.ts';
import { MAX_KEPT_NAMES } from './otlp-limits.ts';
import { bytesOf, unixNanos, writeAttribute } from './wire.ts';

/** A metric, without its data points. */
export interface MetricHead {
  /** The fields `name`, `description` and `unit`. */
  readonly bytes: Buffer;
  readonly instrument: Instrument;
  readonly isInteger: boolean;
}

/** What the exporter keeps of a series. */
export interface OtlpSeries {
  readonly head: MetricHead;
  /** The fields `attributes` and `start_time_unix_nano` of its data points. */
  readonly pointStart: Buffer;
  /** Undefined: its points have no start. */
  readonly startUnixMs: number | undefined;
}

/** Field numbers of `NumberDataPoint` and of `HistogramDataPoint`. */
const NUMBER_ATTRIBUTES = 7;
const HISTOGRAM_ATTRIBUTES = 9;
const START_TIME = 2;

export class MetricHeads {
  readonly #conventions: Conventions;
  readonly #byFamily = new Map<string, MetricHead>();

  constructor(conventions: Conventions) {
    this.#conventions = conventions;
  }

  /** @param atUnixMs the time of its first sample: the start of a sum for which none is known */
  seriesOf({ family, labels, createdUnixMs }: ExportSeries<unknown>, atUnixMs: number): OtlpSeries {
    const head = this.#headOf(family);
    const startUnixMs = head.instrument === 'gauge' ? undefined : (createdUnixMs ?? atUnixMs);
    const writer = new BinaryWriter();
    const field = head.instrument === 'histogram' ? HISTOGRAM_ATTRIBUTES : NUMBER_ATTRIBUTES;
    for (const [key, value] of attributesOf(family, labels, this.#conventions))
      writeAttribute(writer, field, key, value);
    if (startUnixMs !== undefined) writer.tag(START_TIME, WireType.Bit64).fixed64(unixNanos(startUnixMs));
    return { head, pointStart: bytesOf(writer), startUnixMs };
  }

  #headOf(family: Family): MetricHead {
    const known = this.#byFamily.get(family.name);
    if (known !== undefined) return known;
    const { name, unit, instrument, isInteger } = otlpNameOf(family, this.#conventions);
    const writer = new BinaryWriter();
    writer.tag(1, WireType.LengthDelimited).string(name);
    writer.tag(2, WireType.LengthDelimited).string(family.help);
    if (unit !== '') writer.tag(3, WireType.LengthDelimited).string(unit);
    const head = { bytes: bytesOf(writer), instrument, isInteger };
    if (this.#byFamily.size >= MAX_KEPT_NAMES) this.#byFamily.clear();
    this.#byFamily.set(family.name, head);
    return head;
  }
}
