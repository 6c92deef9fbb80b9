/**
 * All live clients: streams, the legacy WebSockets, and blocking queries. One look at shared memory is for all of them,
 * and each frame is made once for all who are told the same. No client has a queue: it is a position, up to which it was
 * told everything, and gets the newest of what changed after it when its socket has room. Without clients nothing runs.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
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
import { type DropReason, Drops } from './drops.ts';
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
  /** About how large a frame of a stream becomes; MAX_FRAME_BYTES if undefined. */
  readonly maxFrameBytes?: number;
  /** Of all frames together; MAX_FRAME_BYTES_IN_FLIGHT if undefined. */
  readonly maxBytesInFlight?: number;
}

export interface StreamRequest extends Watched {
  /** Updates a second, at most. */
  readonly rate: number;
  /** The id of the event that the client has seen last, if it was here before. */
  readonly lastEventId: string | undefined;
  /** Who asks: none may follow more than its share of filters. Undefined: nobody who could have one. */
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
  /** How often memory was looked at. */
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

  /** Streams and WebSockets that are connected. */
  get clients(): number {
    return this.#streams.size + this.#sockets.size;
  }

  /** Clients that were dropped, by reason. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return this.#drops.counts;
  }

  /** Bytes of frames that are kept for, or on the way to, clients. */
  get bytesInFlight(): number {
    return this.#budget.bytes;
  }

  /** Blocking queries that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Why no further client can be served; undefined if one can. */
  refusal(): PulselaneError | undefined {
    const { maxClients } = this.#options;
    if (this.#isStopped) return new PulselaneError('unavailable', 'the server is stopping');
    if (this.clients >= maxClients) {
      return new LimitReached('resource_exhausted', 'live_clients', `${maxClients} live clients are connected already`);
    }
    if (this.#budget.share >= 1) {
      return new LimitReached(
        'resource_exhausted',
        'live_clients',
        'live clients that are slow take up all the memory that they may',
      );
    }
    return undefined;
  }

  /** Serves an open WebSocket: what there is now, then every change. `workerId` undefined means all workers. */
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
   * Serves a response whose headers are written. Ask for a {@link refusal} first.
   * @throws LimitReached if too many different filters are followed, in all or by that client; nothing is written then.
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
    // Without a listener an error would end the thread; `close` follows it.
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
   * Resolves when something of what is watched changed after `index` (`<epoch>-<counter>`), when the wait, lengthened a
   * little at random, is over, or when `signal` aborts; at once if the index is not of this epoch, or if it cannot be known
   * whether something changed, since nobody watched it then.
   * @param client who asks: none may have more than its share of those that wait, and of filters
   * @param mostMs how long it may be, lengthened or not
   * @throws LimitReached if too many wait, in all or of that client, or too many different filters are followed.
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

  /** Ends the live clients on these connections, behind what was sent. @returns the connections that had one */
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

  /** Says goodbye to every client; those that do not answer are cut off with the server's sockets. */
  stop(): void {
    this.#isStopped = true;
    this.endAll('stopping');
    this.#waiting.stop();
    this.#views.stop();
    this.#end();
  }

  /** WebSockets first: of them the contract says how soon they are told. */
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

  /** One client's trouble is not the others': it is tried again with the next look. */
  #guarded(client: Client, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failures.failed(client.sender.writer.kind, error);
    }
  }
}
