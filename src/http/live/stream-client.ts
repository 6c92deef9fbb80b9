/** One client of `GET /api/v1/stream`. It has no queue, only a position, and its feed provides the next frame. */
import type { ServerResponse } from 'node:http';
import type { Revisions } from '../../reading/revisions.ts';
import { POLL_MS, STREAM_PING_MS } from '../http-limits.ts';
import { type ClientWriter, FrameSender } from './client-writer.ts';
import { type ClientPosition, leavesSentTo } from './counters.ts';
import type { Feed } from './feed.ts';
import { type FrameBudget, SharedFrame } from './frame-budget.ts';

/** Why a client must discard what it has: its position is from another HTTP thread, or too long ago. */
type ResetReason = 'other_epoch' | 'too_old';

const NEW: ClientPosition = { state: 'new' };
const PING = Buffer.from(': ping\n\n');

export function clientWriterOf(outgoing: ServerResponse): ClientWriter {
  return {
    kind: 'stream',
    connection: outgoing.socket,
    get pendingBytes() {
      return outgoing.writableLength;
    },
    // After an error the connection emits `close`.
    write: (bytes, taken) => void outgoing.write(bytes, (error) => error ?? taken()),
    end: (reason) => void outgoing.end(reason === 'stopping' ? '' : `event: end\ndata: {"reason":"${reason}"}\n\n`),
    cut: () => void outgoing.destroy(),
  };
}

export interface StreamParts {
  readonly revisions: Revisions;
  readonly budget: FrameBudget;
  readonly nowMs: () => number;
  /** More can be sent: call `serve` again for the same poll. */
  readonly goOn: (client: StreamClient) => void;
}

export class StreamClient {
  readonly feed: Feed;
  readonly sender: FrameSender;
  readonly #revisions: Revisions;
  readonly #nowMs: () => number;
  readonly #goOn: (client: StreamClient) => void;
  /** The fewest polls between two updates. */
  readonly #looks: number;
  #position: ClientPosition = NEW;
  /** The last frame was full. */
  #isBehind = true;
  /** The poll after which something was last sent. */
  #sentAtLook = Number.NEGATIVE_INFINITY;
  #writtenMs: number;
  #reset: ResetReason | undefined;

  /**
   * @param rate the most updates per second
   * @param lastEventId the position of a client that reconnects
   */
  constructor(
    writer: ClientWriter,
    feed: Feed,
    { rate, lastEventId }: { rate: number; lastEventId: string | undefined },
    { revisions, budget, nowMs, goOn }: StreamParts,
  ) {
    this.feed = feed;
    this.sender = new FrameSender(writer, budget);
    this.#revisions = revisions;
    this.#nowMs = nowMs;
    this.#goOn = goOn;
    this.#looks = Math.ceil(1_000 / (rate * POLL_MS) - 1e-6);
    this.#writtenMs = nowMs();
    if (lastEventId === undefined) return;
    const counter = revisions.counterIn(lastEventId);
    if (counter === undefined) this.#reset = 'other_epoch';
    // At 0 nothing had been sent.
    else if (counter > 0) this.#position = { state: 'deltas', sentTo: counter };
  }

  /** Sends what is new, if there is room and the rate allows. `look` counts the polls; without it: for the last one. */
  serve(look = this.#sentAtLook): void {
    if (!this.feed.view.isComplete || (!this.#isBehind && look - this.#sentAtLook < this.#looks)) return;
    while (!this.sender.isFull) {
      // At 0 no removal can be missing.
      const leavesTo = leavesSentTo(this.#position) ?? 0;
      if (leavesTo > 0 && leavesTo < this.#revisions.horizon) this.#reset = 'too_old';
      if (this.#reset !== undefined) this.#startOver(this.#reset);
      const { frame, next, more } = this.feed.step(this.#position);
      this.#position = next;
      if (frame !== undefined) {
        this.#sentAtLook = look;
        this.#write(frame);
      }
      this.#isBehind = more;
      if (!more) return;
    }
  }

  /** Keeps proxies from closing an idle connection. */
  ping(): void {
    if (this.#nowMs() - this.#writtenMs >= STREAM_PING_MS && !this.sender.isFull) this.#write(new SharedFrame(PING));
  }

  #startOver(reason: ResetReason): void {
    this.#reset = undefined;
    this.#position = NEW;
    this.#write(
      new SharedFrame(Buffer.from(`event: reset\nid: ${this.#revisions.textOf(0)}\ndata: {"reason":"${reason}"}\n\n`)),
    );
  }

  #write(frame: SharedFrame): void {
    this.#writtenMs = this.#nowMs();
    this.sender.send(frame, this.#nowMs, () => {
      if (this.#isBehind) this.#goOn(this);
    });
  }
}
