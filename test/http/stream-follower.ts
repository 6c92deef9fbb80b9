/** What a good client of /api/v1/stream does: applies events to a map, and remembers where it is. */
import { EventEmitter } from 'node:events';
import { createParser } from 'eventsource-parser';

export type Item = Readonly<Record<string, unknown>> & { readonly worker_id: string };

export interface StreamEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: {
    readonly revision?: string;
    readonly part?: number;
    readonly last?: boolean;
    readonly workers?: readonly Item[];
    readonly updated?: readonly Item[];
    readonly removed?: readonly string[];
    readonly reason?: string;
  };
}

export class Follower {
  readonly workers = new Map<string, Item>();
  readonly events: StreamEvent[] = [];
  comments: string[] = [];
  retryMs: number | undefined;
  lastEventId: string | undefined;
  #decoder = new TextDecoder();
  #parser = this.#newParser();

  feed(bytes: Uint8Array): void {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /** A new connection: what was half received before is lost. */
  connected(): void {
    this.#decoder = new TextDecoder();
    this.#parser = this.#newParser();
  }

  named(event: string): StreamEvent[] {
    return this.events.filter((other) => other.event === event);
  }

  #newParser() {
    return createParser({
      onEvent: ({ event = 'message', id, data }) => this.#apply({ event, id, data: JSON.parse(data) }),
      onComment: (comment) => this.comments.push(comment),
      onRetry: (retryMs) => {
        this.retryMs = retryMs;
      },
      onError: (error) => {
        throw error;
      },
    });
  }

  #apply(event: StreamEvent): void {
    this.events.push(event);
    this.lastEventId = event.id ?? this.lastEventId;
    const { part, workers = [], updated = [], removed = [] } = event.data;
    if (part === 1) this.workers.clear();
    for (const item of [...workers, ...updated]) this.workers.set(item.worker_id, item);
    for (const id of removed) this.workers.delete(id);
  }
}

/** A response of which the test decides when the client takes what was written. */
export class HeldResponse extends EventEmitter {
  readonly #written: { bytes: Buffer; taken: () => void }[] = [];
  readonly #follower: Follower;

  constructor(follower: Follower) {
    super();
    this.#follower = follower;
  }

  /** Full with the first frame, though not with the few bytes before it. */
  get writableLength(): number {
    return this.#written.every(({ bytes }) => bytes.length < 20) ? 0 : Number.MAX_SAFE_INTEGER;
  }

  write(bytes: Buffer | string, taken = () => {}): boolean {
    this.#written.push({ bytes: Buffer.from(bytes as string), taken });
    return false;
  }

  take(): void {
    for (const { bytes, taken } of this.#written.splice(0)) {
      this.#follower.feed(bytes);
      taken();
    }
  }

  takeAll(): void {
    while (this.#written.length > 0) this.take();
  }

  /** The connection breaks: of what was under way a part still comes. */
  break(share: number): void {
    const bytes = Buffer.concat(this.#written.map(({ bytes }) => bytes));
    this.#follower.feed(bytes.subarray(0, Math.floor(bytes.length * share)));
    this.destroy();
  }

  destroy(): void {
    this.emit('close');
  }

  end(): void {}
}
