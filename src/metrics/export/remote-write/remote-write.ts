/**
 * The sender of Prometheus remote write, versions 1.0 and 2.0.
 * See https://prometheus.io/docs/specs/prw/remote_write_spec and https://prometheus.io/docs/specs/prw/remote_write_spec_2_0
 *
 * | answer to 2.0                             | means                                              | then                |
 * |-------------------------------------------|----------------------------------------------------|---------------------|
 * | 2xx that counts what was written          | taken                                              | next message        |
 * | 2xx without counts                        | a receiver of 1.0 that found nothing in it         | again, in 1.0       |
 * | 415                                       | the receiver does not take 2.0                     | again, in 1.0       |
 * | 400 without counts, before any with       | the same, by a receiver of 1.0                     | again, in 1.0       |
 * | 4xx that counts some as written           | partial write: the others will never be taken      | next message        |
 * | 429, 5xx                                  | later                                              | again, after a wait |
 * | others                                    | never                                              | next message        |
 *
 * A receiver of 1.0 is asked for 2.0 again after a day, and after a restart.
 */
import type { Clock } from '../../../lib/clock.ts';
import { type Answer, answerText, HttpPost, headerText } from '../../../lib/http-post.ts';
import { retryAfterMs } from '../../../lib/retry-after.ts';
import { VERSION } from '../../../lib/version.ts';
import { MAX_RETRY_AFTER_MS, SEND_WITHIN_MS } from '../export-limits.ts';
import type { Exporter, ExportSeries, Outcome, Point, RoundSlice } from '../exporter.ts';
import type { ReceiverSettings } from '../messages.ts';
import { ProtoWriter } from '../proto-writer.ts';
import { secretsOf } from '../secrets.ts';
import { type Batch, BatchBuilder } from './batch.ts';
import { FamilyDescriptions } from './descriptions.ts';
import type { RemoteWriteSettings } from './settings.ts';
import { MAX_SNAPPY_HEADER_BYTES } from './snappy.ts';
import { Symbols } from './symbols.ts';
import { identityOf, valuesOf, type WireSeries, WireSeriesMaker } from './wire-series.ts';
import { encodeV1 } from './write-v1.ts';
import { encodeV2 } from './write-v2.ts';

/** When a receiver that did not take 2.0 is asked again: it may have been updated. */
const ASK_AGAIN_AFTER_MS = 24 * 3_600_000;

const WRITTEN = 'x-prometheus-remote-write-samples-written';

interface Protocol {
  readonly version: '1.0' | '2.0';
  readonly headers: Readonly<Record<string, string>>;
  readonly encode: (batch: Batch, writer: ProtoWriter) => Buffer;
}

const COMMON_HEADERS = { 'Content-Encoding': 'snappy', 'User-Agent': `pulselane/${VERSION}` };

const V1: Protocol = {
  version: '1.0',
  headers: {
    ...COMMON_HEADERS,
    'Content-Type': 'application/x-protobuf',
    'X-Prometheus-Remote-Write-Version': '0.1.0',
  },
  encode: encodeV1,
};

const V2: Protocol = {
  version: '2.0',
  headers: {
    ...COMMON_HEADERS,
    'Content-Type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    'X-Prometheus-Remote-Write-Version': '2.0.0',
  },
  encode: encodeV2,
};

export class RemoteWrite implements Exporter<Batch, readonly WireSeries[]> {
  readonly kind = 'remote_write';
  readonly place: string;
  readonly #clock: Clock;
  #settings: RemoteWriteSettings;
  #post: HttpPost;
  /** The last attempt, which may be under way. */
  #attempt: Promise<unknown> = Promise.resolve();
  readonly #symbols = new Symbols();
  readonly #maker: WireSeriesMaker;
  readonly #writer = new ProtoWriter(MAX_SNAPPY_HEADER_BYTES);
  #building: BatchBuilder | undefined;
  readonly #descriptions: FamilyDescriptions;
  #atUnixMs = 0;
  #protocol: Protocol;
  /** The receiver has counted what it wrote. */
  #takesV2 = false;
  #askAgainAtMs = Number.POSITIVE_INFINITY;
  /** Of the last message that was sent, in case it is sent again. */
  #encoded: { readonly batch: Batch; readonly version: string; readonly body: Buffer } | undefined;

  constructor(settings: RemoteWriteSettings, clock: Clock) {
    const { url, ca, place, version, externalLabels } = settings;
    this.#settings = settings;
    this.#clock = clock;
    this.place = place;
    this.#post = new HttpPost({ url, ca, clock, withinMs: SEND_WITHIN_MS });
    this.#maker = new WireSeriesMaker(this.#symbols, externalLabels);
    this.#protocol = version === '1.0' ? V1 : V2;
    this.#descriptions = new FamilyDescriptions(clock, this.#protocol === V1);
  }

  /** Texts and labels in memory that series share. */
  get sharedTexts(): number {
    return this.#symbols.size;
  }

  get protocol(): string {
    return this.#protocol.version;
  }

  encode({ atUnixMs, sources }: RoundSlice<readonly WireSeries[]>): readonly Batch[] {
    this.#atUnixMs = atUnixMs;
    const full: Batch[] = [];
    for (const { points, ended } of sources) {
      for (const point of points) this.#addPoint(point, atUnixMs, full);
      if (ended.length > 0) this.#endAll(ended, points, atUnixMs, full);
    }
    return full;
  }

  endRound(): readonly Batch[] {
    this.#symbols.endRound();
    const last = this.#building;
    this.#building = undefined;
    const described = this.#descriptions.endRound(this.#atUnixMs, this.#protocol === V1);
    return [...(last === undefined ? [] : [last.build()]), ...described];
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    if (this.#clock.monotonicMs() >= this.#askAgainAtMs) {
      this.#protocol = V2;
      this.#askAgainAtMs = Number.POSITIVE_INFINITY;
    }
    // Descriptions, which wait since the receiver was one of 1.0.
    const protocol = batch.samples === 0 ? V1 : this.#protocol;
    const headers = { ...ownHeaders(this.#settings), ...protocol.headers };
    const attempt = this.#post.post(headers, this.#bodyOf(batch, protocol), signal);
    this.#attempt = attempt;
    const answer = await attempt;
    if (answer.type === 'none') return { type: 'retry', code: answer.code, detail: answer.detail };
    const outcome = protocol === V2 ? this.#outcomeV2(answer, batch) : this.#outcome(answer);
    if (outcome.type !== 'retry') this.#encoded = undefined;
    return outcome;
  }

  renew(settings: ReceiverSettings): void {
    if (settings.kind !== 'remote_write') return;
    const { url, ca } = settings;
    const isSameServer = ca === this.#settings.ca;
    this.#settings = settings;
    // Headers are of each request.
    if (isSameServer) return;
    const before = this.#post;
    void this.#attempt.finally(() => before.close());
    this.#post = new HttpPost({ url, ca, clock: this.#clock, withinMs: SEND_WITHIN_MS });
  }

  close(): void {
    this.#post.close();
  }

  #addPoint({ series, value }: Point<readonly WireSeries[]>, atUnixMs: number, full: Batch[]): void {
    let wire = series.kept;
    if (wire === undefined) {
      wire = this.#maker.make(series, value);
      series.kept = wire;
    }
    this.#descriptions.add(series.family);
    if (typeof value === 'number') {
      const [only] = wire;
      if (only !== undefined) this.#roomFor(only, atUnixMs, full).add(only, value);
      return;
    }
    const values = valuesOf(value);
    // Buckets that changed become others: rare enough to be made anew with the series.
    for (const [n, one] of wire.entries()) this.#roomFor(one, atUnixMs, full).add(one, values[n] ?? Number.NaN);
  }

  /**
   * A series ends unless another one of its source is written like it: a worker that swaps the label `a.b` for `a_b` still has the
   * series with `a_b`. Receivers refuse a whole message in which one series has two values at one time.
   */
  #endAll(
    ended: readonly ExportSeries<readonly WireSeries[]>[],
    points: readonly Point<readonly WireSeries[]>[],
    atUnixMs: number,
    full: Batch[],
  ): void {
    const there = new Set(points.flatMap(({ series }) => (series.kept ?? []).map(identityOf)));
    for (const wire of ended.flatMap(({ kept = [] }) => kept)) {
      if (!there.has(identityOf(wire))) this.#roomFor(wire, atUnixMs, full).end(wire);
    }
  }

  #roomFor(series: WireSeries, atUnixMs: number, full: Batch[]): BatchBuilder {
    for (const label of series.labels) this.#symbols.use(label);
    this.#symbols.useText(series.help);
    this.#symbols.useText(series.unit);
    let building = this.#building;
    if (building !== undefined && !building.hasRoomFor(series)) {
      full.push(building.build());
      building = undefined;
    }
    building ??= new BatchBuilder(atUnixMs);
    this.#building = building;
    return building;
  }

  #bodyOf(batch: Batch, { version, encode }: Protocol): Buffer {
    const last = this.#encoded;
    if (last?.batch === batch && last.version === version) return last.body;
    const body = encode(batch, this.#writer);
    this.#encoded = { batch, version, body };
    return body;
  }

  #outcomeV2(answer: Answer, { samples }: Batch): Outcome {
    const { status } = answer;
    const written = writtenOf(answer);
    if (written !== undefined) this.#takesV2 = true;
    const isTaken = status >= 200 && status < 300;
    if (written === undefined && (isTaken || status === 415 || (status === 400 && !this.#takesV2))) {
      return this.#fallBack(answer);
    }
    const detail = answerText(answer, secretsOf(this.#settings));
    if (isTaken || (isForGood(status) && written !== undefined && written > 0)) {
      const rejected = Math.max(0, samples - (written ?? samples));
      return { type: 'taken', rejected, detail: `${rejected} of ${samples} samples were not written: ${detail}` };
    }
    return this.#outcome(answer);
  }

  #fallBack(answer: Answer): Outcome {
    if (this.#settings.version === '2.0') {
      const said = answerText(answer, secretsOf(this.#settings));
      return {
        type: 'refused',
        detail: `${said}: the receiver does not take remote write 2.0; set REMOTE_WRITE_VERSION=auto`,
      };
    }
    this.#protocol = V1;
    this.#askAgainAtMs = this.#clock.monotonicMs() + ASK_AGAIN_AFTER_MS;
    return { type: 'again' };
  }

  /** The usual mistake. */
  #hintFor(status: number): string {
    const isNoPath = (status === 404 || status === 405) && new URL(this.#settings.url).pathname === '/';
    return isNoPath ? '; REMOTE_WRITE_URL has no path: that of a Prometheus is /api/v1/write' : '';
  }

  #outcome(answer: Answer): Outcome {
    const { status } = answer;
    if (status >= 200 && status < 300) return { type: 'taken', rejected: 0 };
    const detail = answerText(answer, secretsOf(this.#settings));
    if (isForGood(status)) return { type: 'refused', detail: `${detail}${this.#hintFor(status)}` };
    const code = status === 429 ? 'throttled' : 'failed';
    const waitMs = retryAfterMs(headerText(answer, 'retry-after'), this.#clock.wallMs());
    if (waitMs === undefined) return { type: 'retry', code, detail };
    return { type: 'retry', code, detail, retryAfterMs: Math.min(waitMs, MAX_RETRY_AFTER_MS) };
  }
}

/** Never to be sent again: redirects, which are not followed, too. */
function isForGood(status: number): boolean {
  return status < 500 && status !== 429;
}

/** How many samples the receiver says it has written; undefined: it does not say. */
function writtenOf(answer: Answer): number | undefined {
  const text = headerText(answer, WRITTEN);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function ownHeaders({ headers, authorization }: RemoteWriteSettings): Readonly<Record<string, string>> {
  return authorization === undefined ? headers : { ...headers, Authorization: authorization };
}
