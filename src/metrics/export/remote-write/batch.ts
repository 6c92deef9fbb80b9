/** What one message of remote write says, not yet encoded: it takes a tenth of the memory, and either version can be made of it. */
import type { Message } from '../exporter.ts';
import type { WireSeries } from './wire-series.ts';

/** A family, for messages of version 1.0, where its description stands apart. */
export interface FamilyMetadata {
  readonly name: string;
  readonly type: number;
  readonly help: string;
  readonly unit: string;
}

export interface Batch extends Message {
  /** One sample each. */
  readonly series: readonly WireSeries[];
  /** Their values, as 8 bytes each, little endian: JavaScript may change the bits of a NaN that is a number of its own. */
  readonly values: Uint8Array;
  /** Without samples: see descriptions.ts. */
  readonly metadata: readonly FamilyMetadata[];
}

/** The value that ends a series, little endian: 0x7ff0000000000002. See the specification, "Samples and Histogram Samples". */
export const STALE_BYTES = Uint8Array.of(2, 0, 0, 0, 0, 0, 0xf0, 0x7f);

/** Samples per message: those of a fleet of 10,000 go in some 35 messages, and none takes main memory worth a thought. */
export const MAX_BATCH_SAMPLES = 5000;
/** Of the longer version, uncompressed: proxies often allow bodies of 1 MB. */
export const MAX_BATCH_BYTES = 900 * 1024;

/** Of a sample, its frame and its metadata. */
export const SAMPLE_BYTES = 48;
/** Memory of a sample that waits: its value and the reference to its series. */
const WAITING_BYTES = 16;

export class BatchBuilder {
  readonly #atUnixMs: number;
  readonly #series: WireSeries[] = [];
  readonly #values = Buffer.allocUnsafeSlow(8 * MAX_BATCH_SAMPLES);
  #bytes = 0;
  /** Of series that are in memory for this message and those before it alone. */
  #endedBytes = 0;

  constructor(atUnixMs: number) {
    this.#atUnixMs = atUnixMs;
  }

  /** An empty one takes any series. */
  hasRoomFor({ v1Bytes }: WireSeries): boolean {
    const { length } = this.#series;
    return length === 0 || (length < MAX_BATCH_SAMPLES && this.#bytes + v1Bytes + SAMPLE_BYTES <= MAX_BATCH_BYTES);
  }

  add(series: WireSeries, value: number): void {
    this.#values.writeDoubleLE(value, 8 * this.#series.length);
    this.#push(series);
  }

  end(series: WireSeries): void {
    this.#values.set(STALE_BYTES, 8 * this.#series.length);
    // This is the last message that holds it, and messages leave the queue in order.
    this.#endedBytes += series.ownBytes;
    this.#push(series);
  }

  build(): Batch {
    const { length: samples } = this.#series;
    return {
      atUnixMs: this.#atUnixMs,
      samples,
      bytes: samples * WAITING_BYTES + this.#endedBytes,
      series: this.#series,
      // A copy: `slice` of a Buffer is none, and would keep all of it.
      values: new Uint8Array(this.#values.subarray(0, 8 * samples)),
      metadata: [],
    };
  }

  #push(series: WireSeries): void {
    this.#bytes += series.v1Bytes + SAMPLE_BYTES;
    this.#series.push(series);
  }
}
