/**
 * One client of a live stream. Frames never queue here: what is owed to a client is a set of workers, at most one entry
 * for each, and a frame is made of the newest state when there is room for it.
 */
import { MAX_BUFFERED_BYTES } from '../limits.ts';

/** What is used of a WebSocket of `ws`. */
export interface LiveSocket {
  /** Bytes that were sent and that the client has not taken yet. */
  readonly bufferedAmount: number;
  send(frame: Buffer, options: { binary: boolean }): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: 'pong' | 'close', listener: () => void): unknown;
}

export class LiveClient {
  /** Undefined: all workers. */
  readonly workerId: string | undefined;
  readonly #socket: LiveSocket;
  readonly #owed = new Set<string>();
  #answered = true;

  constructor(socket: LiveSocket, workerId: string | undefined) {
    this.#socket = socket;
    this.workerId = workerId;
    socket.on('pong', () => {
      this.#answered = true;
    });
  }

  send(frame: Buffer): void {
    this.#socket.send(frame, { binary: false });
  }

  /** The worker has news. */
  owe(workerId: string): void {
    if (this.workerId === undefined || this.workerId === workerId) this.#owed.add(workerId);
  }

  /** Sends what is owed while there is room. `frameOf` gives undefined for a worker that was forgotten meanwhile. */
  settle(frameOf: (workerId: string) => Buffer | undefined): void {
    for (const workerId of this.#owed) {
      if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) return;
      this.#owed.delete(workerId);
      const frame = frameOf(workerId);
      if (frame !== undefined) this.send(frame);
    }
  }

  /** Asks for a sign of life, or drops the client if it still owes the last one. */
  ping(): void {
    if (!this.#answered) {
      this.#socket.terminate();
      return;
    }
    this.#answered = false;
    this.#socket.ping();
  }

  /** The server goes away (1001). */
  sayGoodbye(): void {
    this.#socket.close(1001, 'the server is stopping');
  }
}
