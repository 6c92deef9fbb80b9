/** The connection of a live client and the frames on their way to it; the same for streams and WebSockets. */
import type { Socket } from 'node:net';
import { MAX_BUFFERED_BYTES } from '../http-limits.ts';
import type { FrameBudget, SharedFrame } from './frame-budget.ts';

/** Why a client is disconnected. */
export type Goodbye = 'stopping' | 'session_over' | 'token_removed' | 'token_expired' | 'certificates_changed';

/** One client's connection. */
export interface ClientWriter {
  /** Its name in the log. */
  readonly kind: 'stream' | 'WebSocket';
  /** Undefined if unknown. */
  readonly connection?: Socket | null | undefined;
  /** Bytes written that the client has not taken yet. */
  readonly pendingBytes: number;
  /** `taken` is called once the system has taken all bytes; never, if the connection ends before. */
  write(bytes: Buffer, taken: () => void): void;
  /** Ends the connection after everything written, with the reason. */
  end(reason: Goodbye): void;
  /** Ends the connection at once. */
  cut(): void;
}

export class FrameSender {
  readonly writer: ClientWriter;
  readonly #budget: FrameBudget;
  /** Frames on their way, oldest first. */
  readonly #pending: SharedFrame[] = [];
  /** When the client last took something, while frames are on their way. */
  #stillSinceMs = 0;
  #isEnded = false;
  #isClosed = false;

  constructor(writer: ClientWriter, budget: FrameBudget) {
    this.writer = writer;
    this.#budget = budget;
  }

  /** Whether so much waits in the socket that it is better to send a newer state later; also true once ended. */
  get isFull(): boolean {
    return this.#isEnded || this.#isClosed || this.writer.pendingBytes > MAX_BUFFERED_BYTES;
  }

  /** @param taken called once the system has taken the frame */
  send(frame: SharedFrame, nowMs: () => number, taken: () => void = () => {}): void {
    if (this.#pending.length === 0) this.#stillSinceMs = nowMs();
    this.#budget.hold(frame);
    this.#pending.push(frame);
    this.writer.write(frame.bytes, () => {
      if (this.#isClosed) return;
      // Callbacks come in the order of the writes.
      const sent = this.#pending.shift();
      if (sent !== undefined) this.#budget.release(sent);
      this.#stillSinceMs = nowMs();
      taken();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the client has taken everything. */
  get isIdle(): boolean {
    return this.#pending.length === 0;
  }

  get pendingBytes(): number {
    return this.writer.pendingBytes;
  }

  /** Ends the connection after everything sent. */
  end(reason: Goodbye): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.writer.end(reason);
  }

  /** For how long the client has taken nothing while something was on its way. */
  stillForMs(nowMs: number): number {
    return this.#pending.length === 0 ? 0 : nowMs - this.#stillSinceMs;
  }

  /** The connection has closed; frames on their way are dropped. */
  closed(): void {
    this.#isClosed = true;
    for (const frame of this.#pending.splice(0)) this.#budget.release(frame);
  }
}
