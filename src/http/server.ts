/**
 * The HTTP server: the app on a port, over one board and the slots it is told of. A plain class: the http thread is a
 * few lines around it, and tests run it without a thread.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createAdaptorServer, getRequestListener, RequestError, type WebSocketServerLike } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import type { Address } from '../config/kinds.ts';
import { type Clock, until } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { type BoardMemory, BoardReader } from '../store/board.ts';
import { type Announcement, Directory } from '../store/directory.ts';
import { createApp } from './app.ts';
import { Bodies } from './bodies.ts';
import type { Log, RunCommand } from './context.ts';
import * as limits from './limits.ts';
import { LiveStreams } from './live/streams.ts';
import { Queries } from './query/queries.ts';
import { newEpoch, Revisions } from './revisions.ts';

export interface HttpServerOptions {
  readonly board: BoardMemory;
  /** Browser origins that may read the API. */
  readonly corsOrigins: readonly string[];
  /** Streams and WebSockets at a time; MAX_LIVE_CLIENTS if undefined. */
  readonly maxLiveClients?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Has main do something. */
  readonly command: RunCommand;
}

export class HttpServer {
  readonly #clock: Clock;
  readonly #directory: Directory;
  readonly #live: LiveStreams;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #bodies: Bodies;
  readonly #queries: Queries;

  constructor({
    board,
    corsOrigins,
    clock,
    log,
    command,
    maxLiveClients = limits.MAX_LIVE_CLIENTS,
  }: HttpServerOptions) {
    this.#clock = clock;
    this.#directory = new Directory(new BoardReader(board));
    const revisions = new Revisions(this.#directory, newEpoch());
    this.#live = new LiveStreams({ directory: this.#directory, revisions, clock, log, maxClients: maxLiveClients });
    this.#bodies = new Bodies(this.#directory);
    this.#queries = new Queries({ directory: this.#directory, texts: this.#bodies.texts, clock, log });
    const app = createApp({
      directory: this.#directory,
      revisions,
      live: this.#live,
      bodies: this.#bodies,
      queries: this.#queries,
      clock,
      corsOrigins,
      log,
      command,
    });
    this.#server = serverOf(app.fetch, log);
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Takes in which workers there are. */
  apply(announcements: readonly Announcement[]): void {
    for (const announcement of announcements) this.#directory.apply(announcement);
    this.#queries.told(announcements);
  }

  /**
   * Listens; port 0 means any.
   * @returns the address with the port that was bound.
   * @throws the system's error, such as EADDRINUSE.
   */
  async listen({ host, port }: Address): Promise<Address> {
    const bound = once(this.#server, 'listening');
    // Without a host: all interfaces, IPv4 and IPv6.
    this.#server.listen({ port, ...(host === '' ? {} : { host }) });
    await bound;
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Stops accepting, says goodbye to live clients and lets answers finish, for at most STOP_GRACE_MS. */
  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#live.stop();
    const gone = () => this.#sockets.size === 0;
    await until(this.#clock, gone, { withinMs: limits.STOP_GRACE_MS, everyMs: 10 });
    for (const socket of this.#sockets) socket.destroy();
    await this.#queries.stop();
  }

  /** For what is told of live clients. */
  get live(): LiveStreams {
    return this.#live;
  }

  /** Large answers that are being sent. */
  get bodiesInFlight(): number {
    return this.#bodies.lent + this.#queries.bodiesInFlight;
  }
}

type Fetch = Parameters<typeof getRequestListener>[0];

function serverOf(fetch: Fetch, log: Log): Server {
  const sockets = new WebSocketServer({
    noServer: true,
    // The server's own set of sockets is enough.
    clientTracking: false,
    maxPayload: limits.MAX_CLIENT_MESSAGE_BYTES,
  });
  // Attached before anything else can happen on it: an error without a listener would end the thread.
  sockets.on('connection', (socket) => socket.on('error', () => {}));

  const listener = getRequestListener(fetch, {
    // For HTTP/1.0, which has no Host.
    hostname: 'localhost',
    errorHandler: (error) => requestErrorResponse(error, log),
  });
  const server = createAdaptorServer({
    fetch,
    websocket: { server: sockets as WebSocketServerLike },
    serverOptions: SERVER_OPTIONS,
    createServer: ((options: ServerOptions) =>
      createServer(options, (incoming, outgoing) => {
        tameTarget(incoming);
        void listener(incoming, outgoing);
      })) as typeof createServer,
  }) as Server;
  server.maxConnections = limits.MAX_CONNECTIONS;
  server.timeout = limits.SOCKET_IDLE_MS;
  // An accept that fails (too many open files) is not the end.
  server.on('error', (error) => {
    if (server.listening) log('warn', `HTTP: ${messageOf(error)}`);
  });
  return server;
}

const SERVER_OPTIONS: ServerOptions = {
  maxHeaderSize: limits.MAX_HEADER_BYTES,
  headersTimeout: limits.HEADERS_TIMEOUT_MS,
  requestTimeout: limits.REQUEST_TIMEOUT_MS,
  keepAliveTimeout: limits.KEEP_ALIVE_TIMEOUT_MS,
  connectionsCheckingInterval: limits.TIMEOUT_CHECK_MS,
  // Others (curl --http2 asks for h2c) are answered as if they had not asked: node-server would never answer them, and
  // would take a Host that is none for an error of ours.
  shouldUpgradeCallback(request) {
    tameTarget(request);
    const { upgrade, host } = request.headers;
    return upgrade?.toLowerCase() === 'websocket' && URL.canParse(`http://${host}`);
  },
};

/** A raw backslash, which node-server refuses, may be part of a worker's id. Escaped it means the same. */
function tameTarget(incoming: IncomingMessage): void {
  if (incoming.url?.includes('\\')) incoming.url = incoming.url.replaceAll('\\', '%5C');
}

/** What node-server could not turn into a request, or could not answer. */
function requestErrorResponse(error: unknown, log: Log): Response {
  if (error instanceof RequestError)
    return Response.json({ error: 'the request cannot be understood' }, { status: 400 });
  log('error', `a request failed: ${messageOf(error)}`);
  return Response.json({ error: 'internal error' }, { status: 500 });
}
