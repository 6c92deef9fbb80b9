/** A real HTTP server that keeps what it gets, and answers as a test says. */
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../support/eventually.ts';

export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type AnswerWith = (response: ServerResponse, got: Got) => void;

export function answers(status: number, body = '', headers: Record<string, string> = {}): AnswerWith {
  return (response) => void response.writeHead(status, headers).end(body);
}

export class HttpSink implements AsyncDisposable {
  readonly got: Got[] = [];
  answer: AnswerWith = answers(200, 'ok');
  readonly #server: Server;
  readonly #scheme: string;

  private constructor(tls: { cert: string; key: string } | undefined) {
    const listener: RequestListener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        const got = { method, path, headers, body: Buffer.concat(chunks).toString() };
        this.got.push(got);
        this.answer(response, got);
      });
    };
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  static async start(tls?: { cert: string; key: string }): Promise<HttpSink> {
    const sink = new HttpSink(tls);
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve));
    return sink;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** The JSON of the last request. */
  get last(): unknown {
    return JSON.parse(this.got.at(-1)?.body ?? 'null');
  }

  /** Waits until so many requests have come. */
  async requests(count: number): Promise<readonly Got[]> {
    return await eventually(() => this.got.length >= count && this.got);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
