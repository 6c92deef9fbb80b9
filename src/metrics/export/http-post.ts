/** Sends one body at a time to one URL over a connection that stays open. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import type { SendFailureCode } from '../../model/export-status.ts';
import { MAX_ANSWER_BYTES, SEND_WITHIN_MS } from './export-limits.ts';
import { shownText } from './secrets.ts';

export interface PostOptions {
  readonly url: string;
  /** CA certificates in PEM; undefined: those built into Node. */
  readonly ca: string | undefined;
  readonly clock: Clock;
}

export interface Answer {
  readonly type: 'answer';
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Cut after {@link MAX_ANSWER_BYTES}. */
  readonly body: Buffer;
}

export interface NoAnswer {
  readonly type: 'none';
  readonly code: Extract<SendFailureCode, 'unreachable' | 'timeout'>;
  readonly detail: string;
}

export class HttpPost {
  readonly #url: URL;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;
  readonly #clock: Clock;

  constructor({ url, ca, clock }: PostOptions) {
    this.#url = new URL(url);
    this.#clock = clock;
    const isEncrypted = this.#url.protocol === 'https:';
    this.#request = isEncrypted ? httpsRequest : httpRequest;
    const common = { keepAlive: true, maxSockets: 1 };
    this.#agent = isEncrypted
      ? new HttpsAgent({ ...common, ...(ca === undefined ? {} : { ca }) })
      : new HttpAgent(common);
  }

  /** Never rejects. Redirects are not followed. */
  post(headers: Readonly<Record<string, string>>, body: Uint8Array, signal: AbortSignal): Promise<Answer | NoAnswer> {
    const { promise, resolve } = Promise.withResolvers<Answer | NoAnswer>();
    const late = new AbortController();
    const none = (error: unknown) => resolve({ type: 'none', code: 'unreachable', detail: causeOf(error) });
    const timer = this.#clock.after(SEND_WITHIN_MS, () => {
      // Not left to the request: there are states in which aborting it emits nothing.
      resolve({ type: 'none', code: 'timeout', detail: `no answer within ${SEND_WITHIN_MS / 1000} s` });
      late.abort();
    });
    try {
      const request = this.#request(this.#url, {
        method: 'POST',
        agent: this.#agent,
        headers: { ...headers, 'Content-Length': body.length },
        signal: AbortSignal.any([signal, late.signal]),
      });
      request.on('error', none);
      request.on('response', (response) => {
        const { statusCode: status = 0, headers: of } = response;
        // Once there is a response, what ends the connection is an error of its body.
        request.off('close', closed);
        readBody(response).then((text) => resolve({ type: 'answer', status, headers: of, body: text }), none);
      });
      request.on('upgrade', ({ statusCode: status = 0, headers: of }, socket) => {
        socket.destroy();
        resolve({ type: 'answer', status, headers: of, body: Buffer.alloc(0) });
      });
      const closed = () => none(new Error('the connection was closed without an answer'));
      request.on('close', closed);
      request.end(body);
    } catch (error) {
      none(error);
    }
    return promise.finally(() => timer.cancel());
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** What the receiver says, for a message of ours: `HTTP 400: out of order sample`. */
export function answerText({ status, body }: Answer, secrets: readonly string[]): string {
  const said = shownText(body.toString(), secrets);
  return `HTTP ${status}${said === '' ? '' : `: ${said}`}`;
}

/** The value of a header; of one that occurs several times, the first. */
export function headerText({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop closes the connection: whoever talks that much is read no further.
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES);
}

/** Node joins the failures of several addresses in one error without a message. */
function causeOf(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : [error];
  return [...new Set(errors.map((one) => printable(messageOf(one))))].join('; ');
}
