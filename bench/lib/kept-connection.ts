/**
 * One kept HTTP connection for consecutive requests. Reads bodies of megabytes into one buffer and only counts the bytes:
 * Node's own client would spend as much CPU on reading 6 MB as the server on sending them.
 */
import { connect, type Socket } from 'node:net';

const BUFFER_BYTES = 1024 ** 2;
const HEAD_END = '\r\n\r\n';

/** A response being received. */
interface Expected {
  readonly path: string;
  readonly answer: PromiseWithResolvers<number>;
  head: Buffer;
  /** Undefined until the head is read. */
  bodyBytes: number | undefined;
  missingBytes: number;
}

export class KeptConnection {
  readonly #socket: Socket;
  #expected: Expected | undefined;

  constructor(port: number) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
        callback: (bytes, buffer) => {
          this.#receive(Buffer.from(buffer.buffer as ArrayBuffer, buffer.byteOffset, bytes));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server has closed the connection')));
  }

  /** Resolves with the length of the body once it is complete. @throws unless the status is 200 */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the connection is closed'));
    const answer = Promise.withResolvers<number>();
    this.#expected = { path, answer, head: Buffer.alloc(0), bodyBytes: undefined, missingBytes: 0 };
    const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return answer.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    const expected = this.#expected;
    if (expected === undefined) return;
    if (expected.bodyBytes === undefined) this.#readHead(expected, bytes);
    else expected.missingBytes -= bytes.length;
    if (expected.bodyBytes === undefined || expected.missingBytes > 0) return;
    this.#expected = undefined;
    expected.answer.resolve(expected.bodyBytes);
  }

  #readHead(expected: Expected, bytes: Buffer): void {
    expected.head = Buffer.concat([expected.head, bytes]);
    const end = expected.head.indexOf(HEAD_END);
    if (end < 0) return;
    const head = expected.head.toString('latin1', 0, end);
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
      this.#fail(new Error(`${expected.path} was answered with ${JSON.stringify(head)}`));
      return;
    }
    expected.bodyBytes = Number(length);
    expected.missingBytes = expected.bodyBytes - (expected.head.length - end - HEAD_END.length);
  }

  #fail(error: Error): void {
    this.#expected?.answer.reject(error);
    this.#expected = undefined;
  }
}
