/**
 * The HTTP server: the app on a port, over one board and the slots it is told of. A plain class: the http thread is a
 * few lines around it, and tests run it without a thread.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { hostname } from 'node:os';
import { createAdaptorServer, getRequestListener, RequestError, type WebSocketServerLike } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import type { Address } from '../config/kinds.ts';
import { type Clock, until } from '../lib/clock.ts';
import { ERRORS, messageOf } from '../lib/errors.ts';
import type { Announcement, Directory } from '../reading/directory.ts';
import { newEpoch, Revisions } from '../reading/revisions.ts';
import { Access } from './access/access.ts';
import type { EndedSession } from './access/ended-sessions.ts';
import { isLoopbackHost } from './access/hosts.ts';
import { isApiPath } from './answers/api-path.ts';
import { BASE_HEADERS } from './answers/common-headers.ts';
import { problemFacts } from './answers/problem.ts';
import { createApp } from './app.ts';
import { Bodies } from './bodies/bodies.ts';
import type { RunCommand } from './context.ts';
import * as limits from './http-limits.ts';
import { HttpRefusals } from './http-refusals.ts';
import type { Goodbye } from './live/client-writer.ts';
import { LiveStreams } from './live/streams.ts';
import type { HttpLog, HttpSecrets, HttpThreadData, HttpTls } from './messages.ts';
import { Queries } from './query/queries.ts';
import { BareSockets } from './sockets/bare-sockets.ts';
import { HttpConnections } from './sockets/http-connections.ts';
import { watchParser } from './sockets/parser-errors.ts';
import { inTurn } from './sockets/pipelining.ts';
import { pathOfTarget } from './sockets/target.ts';

export interface HttpServerOptions extends Omit<HttpThreadData, 'board' | 'queryScript'> {
  /** Whoever keeps it tells what it has taken in: {@link HttpServer.announced}. */
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: HttpLog;
  /** Has main do something. */
  readonly command: RunCommand;
  /** A session was logged out: the next http thread must know. */
  readonly sessionEnded?: (ended: EndedSession) => void;
}

export class HttpServer {
  readonly #clock: Clock;
  readonly #live: LiveStreams;
  readonly #server: Server;
  readonly #connections: HttpConnections;
  readonly #access: Access;
  readonly #bodies: Bodies;
  readonly #queries: Queries;
  #clientCa: string | undefined;

  constructor(options: HttpServerOptions) {
    const {
      directory,
      corsOrigins,
      allowedHosts,
      limits: bounds,
      secrets,
      clock,
      log,
      command,
      sessionEnded,
    } = options;
    this.#clock = clock;
    this.#clientCa = secrets.tls?.clientCa;
    const revisions = new Revisions(directory, newEpoch());
    this.#live = new LiveStreams({
      directory,
      revisions,
      clock,
      log,
      maxClients: bounds.maxLiveClients,
    });
    this.#bodies = new Bodies(directory);
    this.#queries = new Queries({ directory, texts: this.#bodies.texts, clock, log });
    const refusals = new HttpRefusals();
    this.#access = new Access({
      ...secrets,
      corsOrigins,
      allowedHosts,
      machineNames: [hostname()],
      requestsPerS: bounds.requestsPerS,
      clock,
      warn: (message) => log('warn', message),
      sessionOver: (socket) => this.#endLive([socket], 'session_over'),
      ...(sessionEnded === undefined ? {} : { sessionEnded }),
    });
    const app = createApp({
      directory,
      revisions,
      live: this.#live,
      bodies: this.#bodies,
      queries: this.#queries,
      access: this.#access,
      limits: bounds,
      refusals,
      clock,
      corsOrigins,
      log,
      command,
      logOut: (session, by) => {
        const over = this.#access.logOut(session);
        this.#cutOff(
          over.filter((socket) => socket !== by),
          'session_over',
        );
      },
    });
    const bare = new BareSockets(clock);
    this.#server = serverOf(
      { fetch: app.fetch, log, limits: bounds, tls: secrets.tls, refusals, bare },
      () => this.#connections,
    );
    this.#server.on('tlsClientError', () => refusals.count('handshake'));
    watchParser(this.#server, refusals, bare);
    this.#connections = new HttpConnections(this.#server, bounds, refusals, secrets.tls !== undefined);
  }

  /** From the next request and the next connection on. */
  setSecrets({ tokens, tls }: HttpSecrets): void {
    this.#cutOff(this.#access.setTokens(tokens), 'token_removed');
    if (tls === undefined || !('setSecureContext' in this.#server)) return;
    (this.#server as TlsServer).setSecureContext(secureContextOf(tls));
    // Which of them showed a certificate of an authority that is none any more nobody knows: so all come back.
    const isFewer = !authoritiesIn(this.#clientCa).every((authority) =>
      authoritiesIn(tls.clientCa).includes(authority),
    );
    this.#clientCa = tls.clientCa;
    if (!isFewer) return;
    this.#live.endAll('certificates_changed');
    for (const socket of this.#connections.all()) this.#endSoon(socket);
  }

  /** Sessions that ended in the life of an earlier thread. */
  endSessions(sessions: readonly EndedSession[]): void {
    for (const ended of sessions) this.#access.endSession(ended);
  }

  /** Ends these connections: live clients as whole answers, others at once. */
  #cutOff(sockets: readonly Socket[], reason: Goodbye): void {
    const told = this.#endLive(sockets, reason);
    for (const socket of sockets) if (!told.has(socket)) socket.destroy();
  }

  /** Ends the live clients on these connections. @returns the connections that had one */
  #endLive(sockets: readonly Socket[], reason: Goodbye): ReadonlySet<Socket> {
    const told = this.#live.endOn(new Set(sockets), reason);
    for (const socket of told) this.#endSoon(socket);
    return told;
  }

  /** It was told that it is over, and ends by itself, unless its client does not read. */
  #endSoon(socket: Socket): void {
    const timer = this.#clock.after(limits.STOP_GRACE_MS, () => socket.destroy());
    socket.once('close', () => timer.cancel());
  }

  /** Tells what has changed, after the directory has taken it in. */
  announced(announcements: readonly Announcement[]): void {
    this.#queries.announced(announcements);
  }

  /**
   * Listens; port 0 means any.
   * @returns the address with the port that was bound.
   * @throws the system's error, such as EADDRINUSE.
   */
  async listen({ host, port }: Address): Promise<Address> {
    this.#access.boundTo(isLoopbackHost(host.includes(':') ? `[${host}]` : host));
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
    const gone = () => this.#connections.size === 0;
    await until(this.#clock, gone, { withinMs: limits.STOP_GRACE_MS, everyMs: 10 });
    this.#connections.destroyAll();
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

interface ServerParts {
  readonly fetch: Fetch;
  readonly log: HttpLog;
  readonly limits: limits.HttpLimits;
  readonly tls: HttpTls | undefined;
  readonly refusals: HttpRefusals;
  readonly bare: BareSockets;
}

/** @param connections of the server that is made here: they are there before the first request */
function serverOf(
  { fetch, log, limits: bounds, tls, refusals, bare }: ServerParts,
  connections: () => HttpConnections,
): Server {
  const sockets = new WebSocketServer({
    noServer: true,
    // The server's own set of sockets is enough.
    clientTracking: false,
    maxPayload: limits.MAX_CLIENT_MESSAGE_BYTES,
  });
  // Attached before anything else can happen on it: an error without a listener would end the thread.
  sockets.on('connection', (socket, { socket: connection }) => {
    socket.on('error', () => {});
    bare.release(connection);
  });

  // What cannot be turned into a request fails while its listener runs, before anything else can.
  let inHand: IncomingMessage | undefined;
  const listener = getRequestListener(fetch, {
    // For HTTP/1.0, which has no Host.
    hostname: 'localhost',
    errorHandler: (error) => requestErrorResponse(error, inHand?.url ?? '', log),
  });
  const server = createAdaptorServer({
    fetch,
    websocket: { server: sockets as WebSocketServerLike },
    serverOptions: serverOptions(bounds, {
      mayUpgrade: (request) => connections().mayUpgrade(request),
      upgrades: ({ socket }) => bare.bound(socket),
    }),
    createServer: ((options: ServerOptions) => {
      const onRequest: RequestListener = (incoming, outgoing) => {
        if (connections().turnsAway(incoming, outgoing)) return;
        const serve = () => {
          tameTarget(incoming);
          inHand = incoming;
          void listener(incoming, outgoing);
          inHand = undefined;
        };
        inTurn(incoming, outgoing, { serve, refused: () => refusals.count('pipelined') });
      };
      if (tls === undefined) return createServer(options, onRequest);
      const handshakeTimeout = limits.HANDSHAKE_TIMEOUT_MS;
      return createTlsServer(
        { ...options, ...secureContextOf(tls), ...clientCheckOf(tls), handshakeTimeout },
        onRequest,
      );
    }) as typeof createServer,
  }) as Server;
  // A body that is refused by its length is not even asked for.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (!(Number(incoming.headers['content-length']) > bounds.maxBodyBytes)) outgoing.writeContinue();
    server.emit('request', incoming, outgoing);
  });
  server.timeout = limits.SOCKET_IDLE_MS;
  bare.watch(server);
  // An accept that fails (too many open files) is not the end.
  server.on('error', (error) => {
    if (server.listening) log('warn', `HTTP: ${messageOf(error)}`);
  });
  return server;
}

function secureContextOf({ cert, key, clientCa }: HttpTls) {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

/** The certificates of a file of authorities, each as it stands there. */
function authoritiesIn(pem = ''): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function clientCheckOf({ clientCa }: HttpTls) {
  return { requestCert: clientCa !== undefined, rejectUnauthorized: clientCa !== undefined };
}

interface Upgrading {
  readonly mayUpgrade: (request: IncomingMessage) => boolean;
  /** Node hands the socket over next. Not told by `upgrade`: with two listeners for it node-server would refuse nothing. */
  readonly upgrades: (request: IncomingMessage) => void;
}

const serverOptions = (bounds: limits.HttpLimits, { mayUpgrade, upgrades }: Upgrading): ServerOptions => ({
  maxHeaderSize: bounds.maxHeaderBytes,
  headersTimeout: Math.min(limits.HEADERS_TIMEOUT_MS, bounds.requestTimeoutMs),
  requestTimeout: bounds.requestTimeoutMs,
  keepAliveTimeout: limits.KEEP_ALIVE_TIMEOUT_MS,
  connectionsCheckingInterval: limits.TIMEOUT_CHECK_MS,
  // Others (curl --http2 asks for h2c) are answered as if they had not asked: node-server would never answer them, and
  // would take a Host that is none for an error of ours.
  shouldUpgradeCallback(request) {
    tameTarget(request);
    const { upgrade, host } = request.headers;
    if (!mayUpgrade(request) || upgrade?.toLowerCase() !== 'websocket' || !URL.canParse(`http://${host}`)) return false;
    upgrades(request);
    return true;
  },
});

/** A raw backslash, which node-server refuses, may be part of a worker's id. Escaped it means the same. */
function tameTarget(incoming: IncomingMessage): void {
  if (incoming.url?.includes('\\')) incoming.url = incoming.url.replaceAll('\\', '%5C');
}

/** What node-server could not turn into a request, or could not answer. */
function requestErrorResponse(error: unknown, target: string, log: HttpLog): Response {
  const isTheirs = error instanceof RequestError;
  if (!isTheirs) log('error', `a request failed: ${messageOf(error)}`);
  const code = isTheirs ? 'invalid_argument' : 'internal';
  const detail = isTheirs ? 'the request cannot be understood' : 'internal error';
  const path = pathOfTarget(target);
  const { httpStatus: status } = ERRORS[code];
  if (!isApiPath(path)) return Response.json({ error: detail }, { status, headers: BASE_HEADERS });
  const headers = { ...BASE_HEADERS, 'Content-Type': 'application/problem+json' };
  return Response.json(problemFacts(code, detail, path), { status, headers });
}
