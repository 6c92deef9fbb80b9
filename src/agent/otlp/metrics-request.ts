/**
 * What the agent reads of an OTLP metrics request, the same from protobuf and from JSON: see `protobuf-request.ts` and
 * `json-request.ts`. Everything else in a request (resources, scopes, units, exemplars, buckets, quantiles) is skipped.
 */
import { MAX_PARTS, MAX_POINTS } from './otlp-limits.ts';

/** In lifecycle of the protocol's `Metric.data`; `undefined`: a kind that this version does not know. */
export type MetricKind = 'gauge' | 'sum' | 'histogram' | 'exponential_histogram' | 'summary';

/** `unspecified` is what a sender must not use. Gauges and summaries have none. */
export type Temporality = 'unspecified' | 'delta' | 'cumulative';

/** The value of an attribute as text; undefined: an array, a map or bytes, which have no place in a name. */
export type Attribute = readonly [key: string, value: string | undefined];

export interface ReceivedPoint {
  readonly attributes: readonly Attribute[];
  /** Of gauges and sums; undefined: none was sent. */
  readonly value: number | undefined;
  /** Of histograms and summaries; undefined: not sent. */
  readonly count: number | undefined;
  readonly sum: number | undefined;
  /** The sender has no value any more: the series ends (FLAG_NO_RECORDED_VALUE). */
  readonly ended: boolean;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly kind: MetricKind | undefined;
  readonly temporality: Temporality;
  readonly points: readonly ReceivedPoint[];
}

export interface MetricsRequest {
  readonly metrics: readonly ReceivedMetric[];
  /** Data points behind the first {@link MAX_POINTS}: they are not read. */
  readonly pointsNotRead: number;
}

/** The request is none: what is wrong with it, and where. */
export class BadRequest extends Error {
  /** The field, as a path; empty: the body as a whole. */
  readonly field: string;

  constructor(field: string, problem: string) {
    super(problem);
    this.field = field;
  }
}

export const TEMPORALITIES: readonly Temporality[] = ['unspecified', 'delta', 'cumulative'];
/** The bit of `DataPointFlags` that says that there is no value. */
export const NO_RECORDED_VALUE = 1;

/** The request has more parts than are read. */
export class TooManyParts extends Error {
  constructor() {
    const what = 'resources, scopes, metrics, data points and attributes';
    super(`the request has more than ${MAX_PARTS} ${what}, which is the limit; expected several smaller requests`);
  }
}

/** What may still be read, over the whole request. */
export class ReadBudget {
  #points = MAX_POINTS;
  #parts = MAX_PARTS;
  pointsNotRead = 0;

  /**
   * Resources, scopes, metrics, data points or attributes, before they are read.
   * @throws TooManyParts
   */
  takeParts(count = 1): void {
    this.#parts -= count;
    if (this.#parts < 0) throw new TooManyParts();
  }

  /** Whether to read one more data point; otherwise it is counted. */
  takePoint(): boolean {
    if (this.#points > 0) {
      this.#points--;
      return true;
    }
    this.pointsNotRead++;
    return false;
  }
}
