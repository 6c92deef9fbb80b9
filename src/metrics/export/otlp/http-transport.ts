/** OTLP over HTTP with protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp */

import type { OtlpSignal } from '../../../config/otlp-kinds.ts';
import type { Clock } from '../../../lib/clock.ts';
import { HttpPost } from '../../../lib/http-post.ts';
import { VERSION } from '../../../lib/version.ts';
import { SEND_WITHIN_MS } from '../export-limits.ts';
import type { Outcome } from '../exporter.ts';
import { httpOutcome } from './answers.ts';
import type { OtlpSettings } from './settings.ts';
import type { OtlpRequest, Transport } from './transport.ts';

const PATHS: Readonly<Record<OtlpSignal, string>> = { metrics: 'v1/metrics', logs: 'v1/logs' };

export class HttpTransport implements Transport {
  readonly #posts: Readonly<Record<OtlpSignal, HttpPost>>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secrets: readonly string[];
  readonly #clock: Clock;

  constructor(
    { endpoint, ca, headers, authorization }: Pick<OtlpSettings, 'endpoint' | 'ca' | 'headers' | 'authorization'>,
    secrets: readonly string[],
    clock: Clock,
  ) {
    const postTo = (signal: OtlpSignal) =>
      new HttpPost({ url: urlOf(endpoint, signal), ca, clock, withinMs: SEND_WITHIN_MS });
    this.#posts = { metrics: postTo('metrics'), logs: postTo('logs') };
    this.#headers = {
      ...headers,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      'Content-Type': 'application/x-protobuf',
      'User-Agent': `pulselane/${VERSION}`,
    };
    this.#secrets = secrets;
    this.#clock = clock;
  }

  async send({ signal: kind, body, isCompressed, samples }: OtlpRequest, signal: AbortSignal): Promise<Outcome> {
    const headers = isCompressed ? { ...this.#headers, 'Content-Encoding': 'gzip' } : this.#headers;
    const answer = await this.#posts[kind].post(headers, body, signal);
    if (answer.type === 'none') return { type: 'retry', code: answer.code, detail: hinted(answer.detail) };
    return httpOutcome(answer, samples, this.#secrets, this.#clock.wallMs());
  }

  close(): void {
    for (const post of Object.values(this.#posts)) post.close();
  }
}

/** Node's text for a peer that answers something else than HTTP/1. */
function hinted(detail: string): string {
  if (!detail.startsWith('Parse Error: Expected HTTP/')) return detail;
  return 'the port does not answer HTTP/1; if it is the gRPC port, set OTLP_PROTOCOL=grpc';
}

/** The signal's path is appended to that of the endpoint; its query stays. */
export function urlOf(endpoint: string, signal: OtlpSignal): string {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${PATHS[signal]}`;
  return url.href;
}
