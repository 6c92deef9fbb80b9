/**
 * Sends bodies to one URL, one at a time unless more are asked for, over connections that stay open. Proxies that the environment names are not used: what is
 * sent goes to the URL that was set, and nowhere else.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import { printable } from './printable.ts';
import { shownText } from './secret-text.ts';

export interface PostOptions {
  readonly url: string;
  /** CA certificates in PEM; undefined: those built into Node. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  /** An attempt that has no whole answer by then is given up. */
  readonly withinMs: number;
  /** Bodies under way, each over a connection of its own; 1 by default. Further ones wait, and their time runs. */
  readonly atATime?: number;
}

/** Of an answer; receivers answer with a line of text, or a few bytes. */
export const MAX_ANSWER_BYTES = 65_536;

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
  readonly code: 'unreachable' | 'timeout';
  /** Node's words. */
  readonly detail: string;
  /** What Node reported; undefined: nothing came within the time. */
  readonly error: unknown;
}

export class HttpPost {
  readonly #url: URL;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;
  readonly #clock: Clock;
  readonly #withinMs: number;

  constructor({ url, ca, clock, withinMs, atATime = 1 }: PostOptions) {
    this.#url = new URL(url);
    this.#clock = clock;
    this.#withinMs = withinMs;
    const isEncrypted = this.#url.protocol === 'https:';
    this.#request = isEncrypted ? httpsRequest : httpRequest;
    const common = { keepAlive: true, maxSockets: atATime };
    this.#agent = isEncrypted
      ? new HttpsAgent({ ...common, ...(ca === undefined ? {} : { ca }) })
      : new HttpAgent(common);
  }

  /** Never rejects. Redirects are not followed. */
  post(headers: Readonly<Record<string, string>>, body: Uint8Array, signal: AbortSignal): Promise<Answer | NoAnswer> {
    const { promise, resolve } = Promise.withResolvers<Answer | NoAnswer>();
    const late = new AbortController();
    const none = (error: unknown) => resolve({ type: 'none', code: 'unreachable', detail: causeOf(error), error });
    const timer = this.#clock.after(this.#withinMs, () => {
      // Not left to the request: there are states in which aborting it emits nothing.
      const detail = `no answer within ${this.#withinMs / 1000} s`;
      resolve({ type: 'none', code: 'timeout', detail, error: undefined });
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
