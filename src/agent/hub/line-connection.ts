/**
 * A connection that sends JSON lines. A line that is refused is answered by one that says why; one with an `id` is answered in any
 * case; the end of the input is answered by a summary. What a client sends faster than it may is read later: nothing of it is lost.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { HubState } from './hub-state.ts';
import { HUB_LIMITS } from './limits.ts';
import { RefusedLine } from './line.ts';
import type { LineRate } from './line-rate.ts';
import { LineSplitter, type SplitLine } from './line-splitter.ts';
import type { Owner } from './task-store.ts';
import { TokenBucket } from './token-bucket.ts';

/** Tens of lines come together by then. */
const RETRY_AFTER_MS = 50;

export interface LineConnectionOptions {
  readonly socket: Socket;
  readonly state: HubState;
  readonly clock: Clock;
  /** Of the whole machine. */
  readonly rate: LineRate;
}

export class LineConnection {
  readonly #options: LineConnectionOptions;
  readonly #owner: Owner = { tasks: new Set(), endedByOthers: new Set() };
  readonly #splitter = new LineSplitter(HUB_LIMITS.lineBytes);
  readonly #lines: TokenBucket;
  /** Read, and to be taken when the client may go on. */
  #held: SplitLine | undefined;
  /** Read, and not yet paid for. */
  #unpaidBytes = 0;
  #line = 0;
  #accepted = 0;
  #refused = 0;
  #waiting: Timer | undefined;
  #hasEnded = false;
  #isClosed = false;

  constructor(options: LineConnectionOptions) {
    const { socket, clock } = options;
    const { connectionLinesPerS: perS, connectionLinesAtOnce: atOnce } = HUB_LIMITS;
    this.#options = options;
    this.#lines = new TokenBucket(clock, { perS, atOnce });
    socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(chunk);
      this.#unpaidBytes += chunk.length;
      this.#work();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#work();
    });
    socket.on('close', () => this.#close());
  }

  /** The hub ends: what the client has said goes on in another agent. */
  abandon(): void {
    this.#isClosed = true;
    this.#waiting?.cancel();
  }

  /** Takes what has come, as far as the client may go on now. */
  #work(): void {
    if (this.#waiting !== undefined || this.#isClosed) return;
    // Bytes cost something, too: a line that never ends would cost nothing otherwise.
    while (this.#unpaidBytes >= HUB_LIMITS.lineBytes) {
      if (!this.#mayGoOn()) {
        this.#slowDown();
        return;
      }
      this.#pay();
      this.#unpaidBytes -= HUB_LIMITS.lineBytes;
    }
    for (;;) {
      const line = this.#held ?? this.#splitter.next() ?? (this.#hasEnded ? this.#splitter.rest() : undefined);
      this.#held = undefined;
      if (line === undefined) {
        if (this.#hasEnded) this.#sum();
        else this.#options.socket.resume();
        return;
      }
      if (!this.#mayGoOn()) {
        this.#held = line;
        this.#slowDown();
        return;
      }
      this.#pay();
      this.#line++;
      if (!isBlank(line)) this.#take(line);
    }
  }

  #slowDown(): void {
    const { socket, clock, state } = this.#options;
    state.count('slowed_down');
    socket.pause();
    this.#waiting = clock.after(RETRY_AFTER_MS, () => {
      this.#waiting = undefined;
      this.#work();
    });
  }

  #mayGoOn(): boolean {
    return this.#lines.has() && this.#options.rate.hasLine();
  }

  /** For a line, blank ones included: each costs time. */
  #pay(): void {
    this.#lines.spend(1);
    this.#options.rate.takeLine();
  }

  #take(line: SplitLine): void {
    try {
      const { id, wasUnknown } = this.#options.state.takeBytes(line, this.#owner);
      this.#accepted++;
      if (id !== undefined) this.#answer({ id, ok: true, ...(wasUnknown ? { unknown_task: true } : {}) });
    } catch (error) {
      if (!(error instanceof RefusedLine)) throw error;
      this.#refused++;
      const { id, message, reason } = error;
      this.#answer({ ...(id === undefined ? {} : { id }), error: message, reason, line: this.#line });
    }
  }

  /** The last line, after all that was sent. */
  #sum(): void {
    const vanished = this.#leave();
    this.#answer({ accepted: this.#accepted, refused: this.#refused, ...(vanished === 0 ? {} : { vanished }) });
    this.#options.socket.end();
  }

  #answer(answer: object): void {
    const { socket, state } = this.#options;
    if (socket.writableLength > HUB_LIMITS.unreadAnswerBytes) state.count('answer_not_read');
    else socket.write(`${JSON.stringify(answer)}\n`);
  }

  #close(): void {
    this.#waiting?.cancel();
    this.#leave();
  }

  #leave(): number {
    if (this.#isClosed) return 0;
    this.#isClosed = true;
    return this.#options.state.closed(this.#owner);
  }
}

function isBlank(line: SplitLine): boolean {
  return 'bytes' in line && /^\s*$/.test(line.bytes.subarray(0, 64).toString('latin1')) && line.bytes.length <= 64;
}
