/**
 * The HTTP server: the app on a port, over a board and slots. A plain class, so that tests can run it without a thread; the
 * HTTP thread adds only a few lines.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Address } from '../config/kinds.ts';
import type { DatabasePlace } from '../history/database.ts';
import { type Clock, until } from '../lib/clock.ts';
import type { Announcement, Directory } from '../reading/directory.ts';
import { newEpoch, Revisions } from '../reading/revisions.ts';
import type { HttpThreadFigures } from '../store/thread-figures.ts';
import { Access } from './access/access.ts';
import type { EndedSession } from './access/ended-sessions.ts';
import { isLoopbackHost } from './access/hosts.ts';
import { createApp } from './app.ts';
import { Bodies } from './bodies/bodies.ts';
import type { RelayCall, RunCommand } from './context.ts';
import { HistoryPool } from './history/pool.ts';
import * as limits from './http-limits.ts';
import { HttpRefusals } from './http-refusals.ts';
import type { Goodbye } from './live/client-writer.ts';
import { LiveStreams } from './live/streams.ts';
import type { HttpLog, HttpSecrets, HttpThreadData } from './messages.ts';
import { MetricsPool } from './metrics/pool.ts';
import { Queries } from './query/queries.ts';
import { BareSockets } from './sockets/bare-sockets.ts';
import { HttpConnections } from './sockets/http-connections.ts';
import { nodeServer } from './sockets/node-server.ts';
import { watchParser } from './sockets/parser-errors.ts';
import { lacksAuthority, secureContextOf } from './sockets/tls-context.ts';

export interface HttpServerOptions extends Omit<HttpThreadData, 'board' | 'queryScript' | 'history' | 'metricsScript'> {
  /** Its owner passes on what it has applied: {@link HttpServer.announced}. */
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: HttpLog;
  /** Sends a command to main. */
  readonly command: RunCommand;
  /** Sends a call of a worker to main. */
  readonly relay: RelayCall;
  /** Where history is; undefined: it is off. */
  readonly history?: DatabasePlace | undefined;
  /** A session was logged out: the next HTTP thread must know. */
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
  readonly #history: HistoryPool | undefined;
  readonly #refusals = new HttpRefusals();
  readonly #metrics: MetricsPool;
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
      relay,
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
    this.#history =
      options.history === undefined ? undefined : new HistoryPool({ directory, clock, log }, options.history);
    this.#metrics = new MetricsPool({ directory, clock, log }, options.metrics);
    this.#queries = new Queries({ directory, texts: this.#bodies.texts, clock, log });
    const refusals = this.#refusals;
    this.#access = new Access({
      ...secrets,
      corsOrigins,
      allowedHosts,
      machineNames: [hostname()],
      requestsPerS: bounds.requestsPerS,
      workerCallsPerS: bounds.heartbeatsPerS,
      clock,
      warn: (message) => log('warn', message),
      onEnd: (socket, end) => this.#endLive([socket], end),
      ...(sessionEnded === undefined ? {} : { sessionEnded }),
    });
    const app = createApp({
      directory,
      revisions,
      live: this.#live,
      bodies: this.#bodies,
      queries: this.#queries,
      history: this.#history,
      metrics: this.#metrics,
      access: this.#access,
      limits: bounds,
      refusals,
      clock,
      corsOrigins,
      log,
      hasAlerts: options.hasAlerts,
      command,
      relay,
      logOut: (session, by) => {
        const over = this.#access.logOut(session);
        this.#cutOff(
          over.filter((socket) => socket !== by),
          'session_over',
        );
      },
    });
    const bare = new BareSockets(clock);
    this.#server = nodeServer(
      { fetch: app.fetch, log, limits: bounds, tls: secrets.tls, refusals, bare },
      () => this.#connections,
    );
    this.#server.on('tlsClientError', () => refusals.count('handshake'));
    watchParser(this.#server, refusals, bare);
    this.#connections = new HttpConnections(this.#server, bounds, refusals, secrets.tls !== undefined);
  }

  /** Counts since the start of this server. */
  get figures(): HttpThreadFigures {
    return { refused: this.#refusals.all, dropped: this.#live.dropped, clients: this.#live.byKind };
  }

  /** Applies from the next request and the next connection on. */
  setSecrets({ tokens, tls, workers }: HttpSecrets): void {
    this.#access.setWorkers(workers);
    this.#cutOff(this.#access.setTokens(tokens), 'token_removed');
    if (tls === undefined || !('setSecureContext' in this.#server)) return;
    (this.#server as TlsServer).setSecureContext(secureContextOf(tls));
    // It is unknown which connections used a certificate of a removed CA, so all must reconnect.
    const isFewer = lacksAuthority(this.#clientCa, tls.clientCa);
    this.#clientCa = tls.clientCa;
    if (!isFewer) return;
    this.#live.endAll('certificates_changed');
    for (const socket of this.#connections.all()) this.#endSoon(socket);
  }

  /** Sessions that were logged out under an earlier thread. */
  endSessions(sessions: readonly EndedSession[]): void {
    for (const ended of sessions) this.#access.endSession(ended);
  }

  /** Ends these connections: live clients after a final event, others at once. */
  #cutOff(sockets: readonly Socket[], reason: Goodbye): void {
    const ended = this.#endLive(sockets, reason);
    for (const socket of sockets) if (!ended.has(socket)) socket.destroy();
  }

  /** Ends the live clients on these connections. @returns the connections that had one */
  #endLive(sockets: readonly Socket[], reason: Goodbye): ReadonlySet<Socket> {
    const ended = this.#live.endOn(new Set(sockets), reason);
    for (const socket of ended) this.#endSoon(socket);
    return ended;
  }

  /** The client was notified and will disconnect, unless it does not read. */
  #endSoon(socket: Socket): void {
    const timer = this.#clock.after(limits.STOP_GRACE_MS, () => socket.destroy());
    socket.once('close', () => timer.cancel());
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    this.#queries.announced(announcements);
    this.#history?.announced(announcements);
    this.#metrics.announced(announcements);
  }

  /**
   * Listens; port 0 means any free port.
   * @returns the bound address
   * @throws the system's error, such as EADDRINUSE
   */
  async listen({ host, port }: Address): Promise<Address> {
    this.#access.boundTo(isLoopbackHost(host.includes(':') ? `[${host}]` : host));
    const bound = once(this.#server, 'listening');
    // No host: all interfaces, IPv4 and IPv6.
    this.#server.listen({ port, ...(host === '' ? {} : { host }) });
    await bound;
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Stops accepting, notifies live clients, and lets answers finish, for at most STOP_GRACE_MS. */
  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#live.stop();
    const gone = () => this.#connections.size === 0;
    await until(this.#clock, gone, { withinMs: limits.STOP_GRACE_MS, everyMs: 10 });
    this.#connections.destroyAll();
    await Promise.all([this.#queries.stop(), this.#history?.stop(), this.#metrics.stop()]);
  }

  /** For figures about live clients. */
  get live(): LiveStreams {
    return this.#live;
  }

  /** Large answers being sent. */
  get bodiesInFlight(): number {
    return this.#bodies.lent + this.#queries.bodiesInFlight;
  }
}
