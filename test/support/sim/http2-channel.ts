/** One connection of simulated workers, by Node's own HTTP/2 client: cheap, and its socket can be torn off. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';

const GRPC_PREFIX_BYTES = 5;

export class Http2Channel {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #onClosed: () => void;
  readonly #access: Readonly<Record<string, string>>;

  /** `onClosed` is called once, however the connection ends; not after `close` and `destroy`. */
  constructor(port: number, onClosed: () => void = () => {}, token?: string) {
    this.#access = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
    // The session hands on what befalls its socket; until it has taken it over, nobody else would hear it.
    this.#socket.on('error', () => {});
    this.#session = connect(`http://127.0.0.1:${port}`, { createConnection: () => this.#socket });
    this.#session.on('error', () => {});
    this.#session.once('close', onClosed);
    this.#onClosed = onClosed;
  }

  /** Opens a stream; `onMessage` gets each message of the answer. */
  open(path: string, onMessage: (message: Buffer) => void): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...this.#access,
    });
    let pending: Buffer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= GRPC_PREFIX_BYTES) {
        const end = GRPC_PREFIX_BYTES + pending.readUInt32BE(1);
        if (pending.length < end) return;
        onMessage(pending.subarray(GRPC_PREFIX_BYTES, end));
        pending = pending.subarray(end);
      }
    });
    stream.on('error', () => {});
    return stream;
  }

  /** Resolves to whether the call was answered with a message, and so not with an error. */
  unary(path: string, message: Uint8Array, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      let isAnswered = false;
      let stream: ClientHttp2Stream;
      try {
        stream = this.open(path, () => {
          isAnswered = true;
        });
      } catch {
        // The connection has ended meanwhile.
        resolve(false);
        return;
      }
      const late = setTimeout(() => stream.close(), withinMs);
      stream.once('close', () => {
        clearTimeout(late);
        resolve(isAnswered);
      });
      stream.end(framed(message));
    });
  }

  /** Ends it as a program does that is done. */
  close(): void {
    this.#session.off('close', this.#onClosed);
    this.#session.close();
  }

  /** Tears it off, as the death of a process does. */
  destroy(): void {
    this.#session.off('close', this.#onClosed);
    this.#session.destroy();
    this.#socket.destroy();
  }
}

/** As gRPC frames a message: not compressed, and how long it is. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, GRPC_PREFIX_BYTES);
  return bytes;
}
