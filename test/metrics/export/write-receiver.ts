/** A receiver of remote write, on a real socket, that answers as a test says. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { unpacked } from '../../support/snappy.ts';
import { type ReadRequest, type ReadSample, readV1, readV2 } from './remote-write-messages.ts';

export interface Received extends ReadRequest {
  readonly version: string;
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
}

export type AnswerWith = (request: Received, response: ServerResponse) => void;

/** As a receiver of 2.0 does. */
export const TAKES_V2: AnswerWith = ({ samples, version }, response) => {
  if (version === '2.0.0') response.setHeader('X-Prometheus-Remote-Write-Samples-Written', samples.length);
  response.writeHead(204).end();
};
/** As one that knows 1.0 only, and says so. */
export const TAKES_V1: AnswerWith = ({ version }, response) => {
  response.writeHead(version === '0.1.0' ? 204 : 415).end();
};
export function says(status: number, body = '', headers: Record<string, string> = {}): AnswerWith {
  return (_, response) => void response.writeHead(status, headers).end(body);
}

export class WriteReceiver {
  readonly received: Received[] = [];
  /** Set by the test at any time. */
  answer: AnswerWith;
  readonly #server: Server;

  private constructor(answer: AnswerWith) {
    this.answer = answer;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(answer: AnswerWith = TAKES_V2, port = 0): Promise<WriteReceiver> {
    const receiver = new WriteReceiver(answer);
    await new Promise<void>((resolve) => receiver.#server.listen(port, '127.0.0.1', resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/api/v1/write`;
  }

  /** All samples that came, of answers of any kind. */
  get samples(): readonly ReadSample[] {
    return this.received.flatMap(({ samples }) => samples);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const version = String(request.headers['x-prometheus-remote-write-version']);
    const content = unpacked(Buffer.concat(chunks));
    const read = version === '2.0.0' ? readV2(content) : readV1(content);
    const received = { ...read, version, headers: request.headers, path: request.url ?? '' };
    this.received.push(received);
    this.answer(received, response);
  }
}
