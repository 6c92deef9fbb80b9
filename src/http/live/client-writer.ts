/** What a live client is sent through, and what of it is still under way: the same for streams and WebSockets. */
import type { Socket } from 'node:net';
import { MAX_BUFFERED_BYTES } from '../http-limits.ts';
import type { FrameBudget, SharedFrame } from './frame-budget.ts';

/** Why a client is told goodbye. */
export type Goodbye = 'stopping' | 'session_over' | 'token_removed' | 'token_expired' | 'certificates_changed';

/** One client's connection. */
export interface ClientWriter {
  /** What it is called in the log. */
  readonly kind: 'stream' | 'WebSocket';
  /** Undefined where it is not known. */
  readonly connection?: Socket | null | undefined;
  /** Bytes that were written and that the client has not taken yet. */
  readonly pendingBytes: number;
  /** `taken` is called when the system has taken all of it over; perhaps never, if the connection ends before. */
  write(bytes: Buffer, taken: () => void): void;
  /** Ends it behind what was written: the server goes away, or the client may not stay. */
  end(reason: Goodbye): void;
  /** Ends it at once, whatever is under way. */
  cut(): void;
}

export class FrameSender {
  readonly writer: ClientWriter;
  readonly #budget: FrameBudget;
  /** Frames that are under way, oldest first. */
  readonly #pending: SharedFrame[] = [];
  /** Since when nothing was taken of what is under way. */
  #stillSinceMs = 0;
  #isEnded = false;
  #isClosed = false;

  constructor(writer: ClientWriter, budget: FrameBudget) {
    this.writer = writer;
    this.#budget = budget;
  }

  /** Whether so much waits in the socket already that the client is better sent something newer later; or never more. */
  get isFull(): boolean {
    return this.#isEnded || this.#isClosed || this.writer.pendingBytes > MAX_BUFFERED_BYTES;
  }

  /** @param taken called when the frame is gone to the system */
  send(frame: SharedFrame, nowMs: () => number, taken: () => void = () => {}): void {
    if (this.#pending.length === 0) this.#stillSinceMs = nowMs();
    this.#budget.hold(frame);
    this.#pending.push(frame);
    this.writer.write(frame.bytes, () => {
      if (this.#isClosed) return;
      // In the order of writing, as sockets do it.
      const sent = this.#pending.shift();
      if (sent !== undefined) this.#budget.release(sent);
      this.#stillSinceMs = nowMs();
      taken();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether everything was taken. */
  get isIdle(): boolean {
    return this.#pending.length === 0;
  }

  get pendingBytes(): number {
    return this.writer.pendingBytes;
  }

  /** Ends the connection behind what was sent. */
  end(reason: Goodbye): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.writer.end(reason);
  }

  /** For how long the client has taken nothing, though there was something to take. */
  stillForMs(nowMs: number): number {
    return this.#pending.length === 0 ? 0 : nowMs - this.#stillSinceMs;
  }

  /** The connection is gone, and with it all that was under way. */
  closed(): void {
    this.#isClosed = true;
    for (const frame of this.#pending.splice(0)) this.#budget.release(frame);
  }
}
