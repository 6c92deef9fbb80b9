/** One connection with one stream of heartbeats, by Node's own client, which respects the server's windows. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';

const PATH = '/pulselane.v1.TelemetryService/StreamHeartbeats';

export class StreamConnection {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #onFailure: (reason: string) => void;
  #isClosing = false;

  constructor(port: number, onFailure: (reason: string) => void) {
    this.#onFailure = onFailure;
    this.#session = connect(`http://127.0.0.1:${port}`, {
      createConnection: () => connectTcp({ port, host: '127.0.0.1', noDelay: true }),
    });
    this.#session.on('error', (error) => this.#failed(error.message));
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#stream.resume();
    this.#stream.on('error', (error) => this.#failed(error.message));
    this.#stream.on('close', () => this.#failed('the stream was closed'));
  }

  /** Sends one or several messages with gRPC's prefix. @returns whether there is room for more */
  write(bytes: Buffer): boolean {
    return this.#stream.write(bytes);
  }

  get needsDrain(): boolean {
    return this.#stream.writableNeedDrain;
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener);
  }

  /** Sends what was written and ends stream and connection. */
  close(): Promise<void> {
    this.#isClosing = true;
    this.#stream.end();
    return new Promise((resolve) => {
      if (this.#session.destroyed) resolve();
      this.#session.close(resolve);
    });
  }

  #failed(reason: string): void {
    if (!this.#isClosing) this.#onFailure(reason);
  }
}
