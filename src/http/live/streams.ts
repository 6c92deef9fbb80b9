/**
 * All live clients: streams, WebSockets of the earlier system, and blocking queries. One poll of shared memory serves them
 * all, and each frame is built once for all clients that need it. No client has a queue, only a position up to which it has
 * everything; it gets the newest state of later changes when its socket has room. Without clients nothing runs.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import type { DropReason, LiveClientKind } from '../../model/http-figures.ts';
import type { Directory } from '../../reading/directory.ts';
import type { Revisions } from '../../reading/revisions.ts';
import {
  MAX_FRAME_BYTES,
  MAX_FRAME_BYTES_IN_FLIGHT,
  PING_MS,
  POLL_MS,
  STILL_CHECK_MS,
  STREAM_RETRY_MS,
} from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import { BlockingQueries } from './blocking-queries.ts';
import type { Goodbye } from './client-writer.ts';
import { Drops } from './drops.ts';
import { ServeFailures } from './failures.ts';
import type { Feed } from './feed.ts';
import { Feeds, type Watched } from './feeds.ts';
import { FrameBudget } from './frame-budget.ts';
import { LegacyFrames } from './legacy-frames.ts';
import { Rounds } from './rounds.ts';
import { type LiveSocket, SocketClient } from './socket-client.ts';
import { clientWriterOf, StreamClient } from './stream-client.ts';
import { Views } from './views.ts';

export interface LiveOptions {
  readonly directory: Directory;
  readonly revisions: Revisions;
  readonly clock: Clock;
  readonly log: (level: 'debug' | 'error', message: string) => void;
  /** Streams and WebSockets together. */
  readonly maxClients: number;
  /** The approximate size of a full stream frame; default MAX_FRAME_BYTES. */
  readonly maxFrameBytes?: number;
  /** For all frames together; default MAX_FRAME_BYTES_IN_FLIGHT. */
  readonly maxBytesInFlight?: number;
}

export interface StreamRequest extends Watched {
  /** The most updates per second. */
  readonly rate: number;
  /** The id of the last event that a reconnecting client received. */
  readonly lastEventId: string | undefined;
  /** The client, for its share of filters. Undefined: no limit applies. */
  readonly client?: string | undefined;
}

type Client = StreamClient | SocketClient;

export class LiveStreams {
  readonly #options: LiveOptions;
  readonly #streams = new Set<StreamClient>();
  readonly #sockets = new Set<SocketClient>();
  readonly #budget: FrameBudget;
  readonly #legacyFrames: LegacyFrames;
  readonly #views: Views;
  readonly #feeds: Feeds;
  readonly #waiting: BlockingQueries;
  readonly #rounds: Rounds<Client>;
  readonly #drops: Drops;
  readonly #failures: ServeFailures;
  readonly #nowMs: () => number;
  #timers: readonly Timer[] = [];
  /** How often memory was polled. */
  #looks = 0;
  #checkedMs = 0;
  #isStopped = false;

  constructor(options: LiveOptions) {
    const { directory, revisions, clock, log } = options;
    this.#options = options;
    this.#budget = new FrameBudget(options.maxBytesInFlight ?? MAX_FRAME_BYTES_IN_FLIGHT);
    this.#nowMs = () => clock.monotonicMs();
    this.#legacyFrames = new LegacyFrames(directory, revisions, this.#budget);
    this.#views = new Views(directory, revisions, clock);
    this.#feeds = new Feeds(this.#views, {
      directory,
      revisions,
      readings: this.#views.readings,
      budget: this.#budget,
      maxFrameBytes: options.maxFrameBytes ?? MAX_FRAME_BYTES,
    });
    this.#waiting = new BlockingQueries(clock);
    this.#rounds = new Rounds({ clock, clients: () => this.#all(), serve: (client) => this.#serve(client) });
    this.#drops = new Drops(this.#budget, log);
    this.#failures = new ServeFailures(this.#nowMs, log);
  }

  /** Connected streams and WebSockets. */
  get clients(): number {
    return this.#streams.size + this.#sockets.size;
  }

  /** The same by kind, with waiting blocking queries. */
  get byKind(): Readonly<Record<LiveClientKind, number>> {
    return { stream: this.#streams.size, websocket: this.#sockets.size, blocking_query: this.#waiting.size };
  }

  /** How many clients were disconnected, by reason. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return this.#drops.counts;
  }

  /** Bytes of frames held for clients or on their way to them. */
  get bytesInFlight(): number {
    return this.#budget.bytes;
  }

  /** Waiting blocking queries. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Why no further client is accepted; undefined if one is. */
  refusal(): PulselaneError | undefined {
    const { maxClients } = this.#options;
    if (this.#isStopped) return new PulselaneError('unavailable', 'the server is stopping');
    if (this.clients >= maxClients) {
      return new LimitReached(
        'resource_exhausted',
        'live_clients',
        `too many live clients: ${maxClients} are already connected`,
      );
    }
    if (this.#budget.share >= 1) {
      return new LimitReached(
        'resource_exhausted',
        'live_clients',
        'slow live clients use all the memory available for them',
      );
    }
    return undefined;
  }

  /** Serves an open WebSocket: the present state, then every change. `workerId` undefined means all workers. */
  add(socket: LiveSocket, workerId: string | undefined, connection?: Socket): void {
    const { directory, revisions } = this.#options;
    this.#begin();
    const client = new SocketClient(socket, workerId, {
      revisions,
      budget: this.#budget,
      nowMs: this.#nowMs,
      connection,
    });
    this.#sockets.add(client);
    socket.on('close', () => {
      client.sender.closed();
      this.#sockets.delete(client);
      this.#endIfUnused();
    });
    this.#guarded(client, () => client.sendFirst(this.#legacyFrames, directory));
  }

  /**
   * Serves a stream; `open` writes the response's headers. Check {@link refusal} first.
   * @throws LimitReached if too many different filters are followed, in total or by this client; then nothing is written
   */
  stream(request: StreamRequest, open: () => ServerResponse): void {
    const { revisions } = this.#options;
    this.#begin();
    let feed: Feed;
    try {
      feed = this.#feeds.take(request, request.client);
    } catch (error) {
      this.#endIfUnused();
      throw error;
    }
    const outgoing = open();
    // Without a listener an error would end the thread; `close` follows an error.
    outgoing.on('error', () => {});
    outgoing.write(`retry: ${STREAM_RETRY_MS}\n\n`);
    const client = new StreamClient(clientWriterOf(outgoing), feed, request, {
      revisions,
      budget: this.#budget,
      nowMs: this.#nowMs,
      goOn: (client) => this.#guarded(client, () => client.serve()),
    });
    this.#streams.add(client);
    outgoing.once('close', () => {
      client.sender.closed();
      this.#streams.delete(client);
      this.#feeds.give(feed, request.client);
      this.#endIfUnused();
    });
    this.#guarded(client, () => client.serve(this.#looks));
  }

  /**
   * Resolves when something watched changes after `index` (`<epoch>-<counter>`), when the wait with its random part is over, or
   * when `signal` aborts. Resolves at once if the index is of another epoch, or if nobody watched since then, so that it is
   * unknown whether something changed.
   * @param client the client, for its share of waiting queries and filters
   * @param mostMs the longest wait, random part included
   * @throws LimitReached if too many queries wait, in total or for this client, or too many different filters are followed
   */
  async waitForChange(
    { selection, fields }: Watched,
    index: string,
    waitMs: number,
    signal: AbortSignal,
    client?: string,
    mostMs = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const { revisions } = this.#options;
    revisions.look();
    const sentTo = revisions.counterIn(index);
    if (sentTo === undefined || this.#isStopped) return;
    const view = this.#views.take(selection, fields, client);
    try {
      if (sentTo < view.horizon || view.changedAt > sentTo) return;
      const waited = this.#waiting.wait({ view, sentTo, waitMs, mostMs, signal, client });
      this.#begin();
      await waited;
    } finally {
      this.#views.give(view, client);
      this.#endIfUnused();
    }
  }

  /** Ends the live clients on these connections after what was sent. @returns the connections that had one */
  endOn(connections: ReadonlySet<Socket>, reason: Goodbye): ReadonlySet<Socket> {
    const ended = new Set<Socket>();
    for (const { sender } of this.#all()) {
      const { connection } = sender.writer;
      if (connection == null || !connections.has(connection)) continue;
      sender.end(reason);
      ended.add(connection);
    }
    return ended;
  }

  endAll(reason: Goodbye): void {
    for (const { sender } of this.#all()) sender.end(reason);
  }

  /** Notifies every client; those that do not disconnect are closed with the server's sockets. */
  stop(): void {
    this.#isStopped = true;
    this.endAll('stopping');
    this.#waiting.stop();
    this.#views.stop();
    this.#end();
  }

  /** WebSockets first: the contract limits their delay. */
  *#all(): Generator<Client, undefined> {
    yield* this.#sockets;
    yield* this.#streams;
    return undefined;
  }

  #begin(): void {
    if (this.#timers.length > 0 || this.#isStopped) return;
    this.#options.revisions.look();
    const { clock } = this.#options;
    this.#timers = [
      clock.every(POLL_MS, () => this.#look()),
      clock.every(PING_MS, () => {
        for (const client of this.#sockets) if (!client.ping()) this.#drops.drop(client, 'silent');
      }),
    ];
  }

  #endIfUnused(): void {
    if (this.clients === 0 && this.#waiting.size === 0) this.#end();
  }

  #end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#rounds.end();
    this.#legacyFrames.dropFrames();
  }

  #look(): void {
    this.#options.revisions.look();
    this.#looks++;
    this.#waiting.look();
    this.#rounds.looked();
    const nowMs = this.#nowMs();
    if (nowMs - this.#checkedMs < STILL_CHECK_MS) return;
    this.#checkedMs = nowMs;
    this.#drops.dropSlow([...this.#all()], nowMs);
  }

  #serve(client: Client): void {
    this.#guarded(client, () => {
      if (client instanceof SocketClient) client.serve(this.#legacyFrames);
      else {
        client.serve(this.#looks);
        client.ping();
      }
    });
  }

  /** An error with one client must not affect the others; it is retried at the next poll. */
  #guarded(client: Client, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failures.failed(client.sender.writer.kind, error);
    }
  }
}
