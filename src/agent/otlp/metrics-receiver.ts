/**
 * Receives metrics by OTLP over HTTP (`POST /v1/metrics`) and makes custom metrics of them. It knows no socket: a server passes it
 * headers and body, sends the answer, and sets the metrics.
 *
 * | data point              | custom metrics                                                              |
 * |-------------------------|-----------------------------------------------------------------------------|
 * | gauge                   | `<name>`: its value                                                         |
 * | sum, cumulative         | `<name>`: its value                                                         |
 * | sum, delta              | `<name>`: the total of all deltas since the metric began                    |
 * | histogram of both kinds | `<name>.count` and, if sent, `<name>.sum`; of deltas their totals           |
 * | summary                 | `<name>.count` and `<name>.sum`; its quantiles are skipped                  |
 *
 * `<name>` includes the attributes, see `metric-name.ts`; they stand behind `.count` and `.sum`. A point without a recorded value ends its metrics. A request that a sender
 * repeats because it missed the answer is counted twice by deltas, as OTLP warns.
 */
import { gunzipSync } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import { shortText } from '../../lib/foreign-text.ts';
import { MAX_NAME_BYTES } from '../../model/heartbeat-limits.ts';
import { type Encoding, type ErrorAnswer, errorAnswer, type HttpAnswer, successAnswer } from './answer.ts';
import { readJsonRequest } from './json-request.ts';
import { attributesProblem, customMetricNameOf } from './metric-name.ts';
import {
  BadRequest,
  type MetricsRequest,
  type ReceivedMetric,
  type ReceivedPoint,
  TooManyParts,
} from './metrics-request.ts';
import { MAX_ATTRIBUTES, MAX_REQUEST_BYTES, MAX_TOLD_REASONS, MAX_TOTALS } from './otlp-limits.ts';
import { readProtobufRequest } from './protobuf-request.ts';

/** Names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface MetricsAnswer extends HttpAnswer {
  /** Custom metrics to set, in the order of the request; of points with the same name the last one counts. */
  readonly metrics: ReadonlyMap<string, number>;
  /** Custom metrics to remove. */
  readonly ended: readonly string[];
  /** Data points that were rejected. */
  readonly rejected: number;
  /** Size of the body after decompression, or what it may have been if that failed: what it cost to read it. */
  readonly plainBytes: number;
  /** Why points, or the whole request, were rejected, for a log; undefined: nothing was. */
  readonly problem: string | undefined;
}

/**
 * Why the agent does not take these custom metrics of one data point (for example because it has too many); undefined: it takes them all. Asked once for each
 * data point of a request, before anything is set.
 */
export type MetricRefusal = (names: readonly string[]) => string | undefined;

const acceptAll: MetricRefusal = () => undefined;

export class MetricsReceiver {
  /** Totals of deltas, by the name of their custom metric. */
  readonly #totals = new Map<string, number>();

  receive(headers: RequestHeaders, body: Buffer, refusal: MetricRefusal = acceptAll): MetricsAnswer {
    const type = headerOf(headers, 'content-type').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    const encoding = ENCODINGS.get(type);
    if (encoding === undefined) {
      const shown = type === '' ? 'missing' : `"${shortText(type, 100)}"`;
      const message = `content-type is ${shown}; expected application/x-protobuf or application/json`;
      return failed('json', { status: 415, message }, body.length);
    }
    const plain = plainBody(headers, body);
    if (!Buffer.isBuffer(plain)) {
      return failed(encoding, plain, Math.min(MAX_REQUEST_BYTES, MAX_DEFLATE_RATIO * body.length));
    }
    try {
      const request = encoding === 'json' ? readJsonRequest(plain) : readProtobufRequest(plain);
      return { ...this.#take(encoding, request, refusal), plainBytes: plain.length };
    } catch (error) {
      if (error instanceof TooManyParts) return failed(encoding, { status: 413, message: error.message }, plain.length);
      if (!(error instanceof BadRequest)) throw error;
      const message = `the body is not an OTLP metrics request: ${shortText(error.message)}`;
      return failed(encoding, { status: 400, message, field: shortText(error.field) }, plain.length);
    }
  }

  /** The metric has ended: deltas that come later begin a new total. */
  forget(name: string): void {
    this.#totals.delete(name);
  }

  #take(encoding: Encoding, { metrics: received, pointsNotRead }: MetricsRequest, refusal: MetricRefusal) {
    const metrics = new Map<string, number>();
    const ended = new Set<string>();
    const rejections = new Rejections();
    if (pointsNotRead > 0) rejections.add('the request has more data points than an agent accepts', pointsNotRead);
    for (const metric of received) {
      for (const point of metric.points) {
        const problem = this.#takePoint(metric, point, metrics, ended, refusal);
        if (problem !== undefined) rejections.add(`metric "${shortText(metric.name, 100)}": ${problem}`);
      }
      if (metric.kind === undefined)
        rejections.warn(`metric "${shortText(metric.name, 100)}" has no data of a known kind`);
    }
    const message = rejections.message;
    return {
      ...successAnswer(encoding, rejections.count, message),
      metrics,
      ended: [...ended],
      rejected: rejections.count,
      problem: message === '' ? undefined : message,
    };
  }

  /** @returns why the point is rejected, with nothing changed; undefined: it is taken */
  #takePoint(
    { name, kind, temporality }: ReceivedMetric,
    point: ReceivedPoint,
    metrics: Map<string, number>,
    ended: Set<string>,
    refusal: MetricRefusal,
  ): string | undefined {
    if (name === '') return 'its name is empty';
    const attributeProblem = attributesProblem(point.attributes, MAX_ATTRIBUTES);
    if (attributeProblem !== undefined) return attributeProblem;
    const isNumber = kind === 'gauge' || kind === 'sum';
    const hasTemporality = kind !== 'gauge' && kind !== 'summary';
    if (hasTemporality && temporality === 'unspecified') return 'its aggregation temporality is not specified';
    const values: [suffix: string, value: number | undefined][] = isNumber
      ? [['', point.value]]
      : [
          ['.count', point.count],
          ['.sum', point.sum],
        ];
    const wanted: [name: string, value: number][] = [];
    for (const [suffix, value] of values) {
      const custom = customMetricNameOf(name + suffix, point.attributes as readonly [string, string][]);
      const bytes = Buffer.byteLength(custom);
      if (bytes > MAX_NAME_BYTES) return `its name with attributes has ${bytes} bytes, more than ${MAX_NAME_BYTES}`;
      if (!custom.isWellFormed()) return 'its name is not valid UTF-8';
      if (point.ended) wanted.push([custom, 0]);
      else if (value !== undefined)
        wanted.push([custom, this.#valueOf(custom, value, hasTemporality && temporality === 'delta')]);
      else if (isNumber) return 'a data point has no value';
    }
    if (point.ended) {
      for (const [custom] of wanted) {
        this.#totals.delete(custom);
        metrics.delete(custom);
        ended.add(custom);
      }
      return undefined;
    }
    for (const [, value] of wanted) {
      if (!Number.isFinite(value)) return `its value is ${value}; expected a finite number`;
    }
    const isDelta = hasTemporality && temporality === 'delta';
    const newTotals = isDelta ? wanted.filter(([custom]) => !this.#totals.has(custom)).length : 0;
    if (this.#totals.size + newTotals > MAX_TOTALS) return `the agent adds up deltas of at most ${MAX_TOTALS} metrics`;
    const refused = refusal(wanted.map(([custom]) => custom));
    if (refused !== undefined) return refused;
    for (const [custom, value] of wanted) {
      if (isDelta) this.#totals.set(custom, value);
      metrics.set(custom, value);
      ended.delete(custom);
    }
    return undefined;
  }

  #valueOf(custom: string, value: number, isDelta: boolean): number {
    return isDelta ? (this.#totals.get(custom) ?? 0) + value : value;
  }
}

/** By which deflate makes a body smaller at most. */
const MAX_DEFLATE_RATIO = 1032;

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map([
  ['application/x-protobuf', 'protobuf'],
  ['application/json', 'json'],
]);

function headerOf(headers: RequestHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : (value?.join(', ') ?? '');
}

/** The decompressed body, or what is wrong with it. */
function plainBody(headers: RequestHeaders, body: Buffer): Buffer | ErrorAnswer {
  const tooLarge = { status: 413, message: `the body has more than ${MAX_REQUEST_BYTES} bytes` };
  if (body.length > MAX_REQUEST_BYTES) return tooLarge;
  const coding = headerOf(headers, 'content-encoding').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return body;
  if (coding !== 'gzip') {
    const message = `content-encoding is "${shortText(coding, 100)}"; expected gzip or none`;
    return { status: 415, message, headers: { 'accept-encoding': 'gzip' } };
  }
  try {
    return gunzipSync(body, { maxOutputLength: MAX_REQUEST_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return { ...tooLarge, message: `${tooLarge.message} after decompression` };
    }
    return { status: 400, message: `the body cannot be decompressed: ${messageOf(error)}` };
  }
}

function failed(encoding: Encoding, error: ErrorAnswer, plainBytes: number): MetricsAnswer {
  return {
    ...errorAnswer(encoding, error),
    metrics: new Map(),
    ended: [],
    rejected: 0,
    plainBytes,
    problem: error.message,
  };
}

/** Counts rejected points by reason. */
class Rejections {
  readonly #reasons = new Map<string, number>();
  #untold = 0;
  count = 0;

  add(reason: string, points = 1): void {
    this.count += points;
    this.#tell(reason, points);
  }

  /** Of something that has no data points. */
  warn(reason: string): void {
    this.#tell(reason, 0);
  }

  #tell(reason: string, points: number): void {
    const known = this.#reasons.get(reason);
    if (known === undefined && this.#reasons.size >= MAX_TOLD_REASONS) this.#untold++;
    else this.#reasons.set(reason, (known ?? 0) + points);
  }

  /** Empty: there is nothing to tell. */
  get message(): string {
    const told = [...this.#reasons].map(([reason, points]) => (points > 1 ? `${reason} (${points} points)` : reason));
    if (this.#untold > 0) told.push(`and ${this.#untold} more`);
    return told.join('; ');
  }
}
