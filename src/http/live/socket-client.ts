/** One client of the earlier system's WebSocket: follows all workers or one, with a frame per change. */
import type { Socket } from 'node:net';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { Revisions } from '../../reading/revisions.ts';
import { type ClientWriter, FrameSender, type Goodbye } from './client-writer.ts';
import type { FrameBudget } from './frame-budget.ts';
import type { LegacyFrames } from './legacy-frames.ts';

/** The used part of a `ws` WebSocket. */
export interface LiveSocket {
  /** Bytes sent that the client has not taken yet. */
  readonly bufferedAmount: number;
  send(frame: Buffer, options: { binary: boolean }, sent: (error?: Error) => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: 'pong' | 'close', listener: () => void): unknown;
}

/** Close codes of RFC 6455: the server goes away; the client may not stay. */
const CLOSES: Readonly<Record<Goodbye, readonly [code: number, reason: string]>> = {
  stopping: [1001, 'the server is stopping'],
  session_over: [1008, 'the session is over'],
  token_removed: [1008, 'the token was removed'],
  token_expired: [1008, 'the token has expired'],
  certificates_changed: [1008, 'the authorities of client certificates changed'],
};

function outletOf(socket: LiveSocket, connection: Socket | undefined): ClientWriter {
  return {
    kind: 'WebSocket',
    connection,
    get pendingBytes() {
      return socket.bufferedAmount;
    },
    write: (bytes, taken) => socket.send(bytes, { binary: false }, (error) => error ?? taken()),
    end: (reason) => socket.close(...CLOSES[reason]),
    cut: () => socket.terminate(),
  };
}

export interface SocketParts {
  readonly revisions: Revisions;
  readonly budget: FrameBudget;
  readonly nowMs: () => number;
  readonly connection: Socket | undefined;
}

export class SocketClient {
  readonly sender: FrameSender;
  readonly #socket: LiveSocket;
  /** Undefined: all workers. */
  readonly #workerId: string | undefined;
  readonly #revisions: Revisions;
  readonly #nowMs: () => number;
  /** Up to where it was told everything. */
  #sentTo: number;
  #isAnswered = true;

  /** What is sent first is as of the last look, or newer. */
  constructor(socket: LiveSocket, workerId: string | undefined, { revisions, budget, nowMs, connection }: SocketParts) {
    this.sender = new FrameSender(outletOf(socket, connection), budget);
    this.#socket = socket;
    this.#workerId = workerId;
    this.#revisions = revisions;
    this.#nowMs = nowMs;
    this.#sentTo = revisions.counter;
    socket.on('pong', () => {
      this.#isAnswered = true;
    });
  }

  sendFirst(frames: LegacyFrames, directory: Directory): void {
    if (this.#workerId === undefined) {
      this.sender.send(frames.ofAll(), this.#nowMs);
      return;
    }
    const entry = directory.get(this.#workerId);
    if (entry !== undefined) this.#send(frames, entry);
  }

  /** Sends what changed, newest state, while there is room. */
  serve(frames: LegacyFrames): void {
    // Before anything is looked for: a client that is far behind would have thousands of changes gone through each time.
    if (this.sender.isFull) return;
    const revisions = this.#revisions;
    for (let row = revisions.order.firstAfter(this.#sentTo); row !== -1; row = revisions.order.next(row)) {
      const entry = revisions.entryAt(row);
      if (entry !== undefined && (this.#workerId === undefined || this.#workerId === entry.workerId)) {
        if (this.sender.isFull) return;
        this.#send(frames, entry);
      }
      this.#sentTo = revisions.order.at(row);
    }
    this.#sentTo = revisions.counter;
  }

  /** Asks for a sign of life. @returns false if it still owes the last one. */
  ping(): boolean {
    if (!this.#isAnswered) return false;
    this.#isAnswered = false;
    this.#socket.ping();
    return true;
  }

  #send(frames: LegacyFrames, entry: WorkerEntry): void {
    const frame = frames.of(entry);
    if (frame !== undefined) this.sender.send(frame, this.#nowMs);
  }
}
