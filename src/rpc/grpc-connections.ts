/**
 * The connections of the gRPC server: taken by sockets of our own, so that they are counted before anything is spent on
 * them, and so that TLS is ours too. `setSecureContext` gives new connections a new certificate; those that run keep theirs.
 *
 *     net.Server ── counted ──► plain: straight on ─────────────────┐
 *                           └─► TLS: tls.Server, its handshake ─────┴──► grpc-js, as an HTTP/2 session
 */
import { lookup } from 'node:dns/promises';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from 'node:tls';
import type { Refusals } from '../engine/refusals.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { plainAddress } from '../lib/networks.ts';
import { handshakeText } from '../lib/tls-errors.ts';
import type { TlsFiles } from '../lib/tls-files.ts';
import type { Peers } from './peers.ts';

export interface ConnectionLimits {
  readonly maxGrpcConnections: number;
  readonly maxPeerGrpcConnections: number;
  /** A connection that has not begun to speak after this is closed. */
  readonly grpcHandshakeMs: number;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Undefined: nothing is encrypted. */
  readonly tls: TlsFiles | undefined;
  /** Whether a client without a valid certificate is cut off already here, and not asked for a token later. */
  readonly mustHaveCertificate: boolean;
  readonly peers: Peers;
  readonly refusals: Refusals;
  /** Takes over a connection, on which HTTP/2 is to be spoken. */
  readonly onConnection: (socket: Socket) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What HTTP/2 begins with: 24 bytes of preface and the head of a SETTINGS frame (RFC 9113, section 3.4). */
const FIRST_WORDS_BYTES = 33;
const LOOK_EVERY_MS = 500;
/** Of one reason one line in this time; the counts tell how often. */
const LOG_AGAIN_MS = 60_000;

export class GrpcConnections {
  readonly #options: ConnectionsOptions;
  readonly #servers: NetServer[] = [];
  readonly #tlsServer: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  /** Connections that may not have spoken yet, since when, oldest first. */
  readonly #silent = new Map<Socket, number>();
  readonly #loggedMs = new Map<string, number>();
  readonly #timer: Timer;
  readonly #empty = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    if (options.tls !== undefined) this.#tlsServer = this.#makeTlsServer(options.tls);
    this.#timer = options.clock.every(LOOK_EVERY_MS, () => this.#cutSilent());
  }

  /**
   * Listens on every address that the host has, on the same port. @returns the port
   * @throws what the last one of them failed with, if none could be had
   */
  async listen(host: string, port: number): Promise<number> {
    let bound: number | undefined;
    let failure: unknown;
    for (const { address } of await lookup(host, { all: true })) {
      try {
        bound = await this.#listenOn(address, bound ?? port);
      } catch (error) {
        failure = error;
      }
    }
    if (bound === undefined) throw failure;
    return bound;
  }

  /** New connections get this; it has to be checked before. */
  setTls(tls: TlsFiles): void {
    this.#tlsServer?.setSecureContext(contextOf(tls));
  }

  /** How many are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Takes no more connections. */
  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
    for (const server of this.#servers.splice(0)) server.close();
  }

  /** Resolves when the last connection has ended. */
  whenEmpty(): Promise<void> {
    if (this.#sockets.size === 0) this.#empty.resolve();
    return this.#empty.promise;
  }

  /** Cuts what is still there, spoken to or not. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #listenOn(address: string, port: number): Promise<number> {
    const server = createNetServer({ noDelay: true }, (socket) => this.#admit(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        // Too many open files, for example: those who could not be taken try again.
        server.on('error', (error) => this.#warn(`a connection could not be taken: ${messageOf(error)}`));
        this.#servers.push(server);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  #admit(socket: Socket): void {
    const { peers, limits, refusals } = this.#options;
    // Nobody else listens before it is handed over, nor when it is refused.
    socket.on('error', () => {});
    const { remoteAddress } = socket;
    // It has gone away in the meantime.
    if (remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const peer = peers.of(remoteAddress);
    if (this.#sockets.size >= limits.maxGrpcConnections) {
      refusals.count('connections');
      this.#warn(`the limit of ${limits.maxGrpcConnections} gRPC connections (MAX_GRPC_CONNECTIONS) is reached`);
      socket.destroy();
      return;
    }
    if (peer.connections >= limits.maxPeerGrpcConnections) {
      refusals.count('peer_connections');
      this.#warn(
        `${peer.name} has reached the limit of ${limits.maxPeerGrpcConnections} gRPC connections of one address ` +
          '(MAX_GRPC_CONNECTIONS_PER_PEER)',
      );
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    peers.connected(peer);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      peers.disconnected(peer);
      if (this.#isClosed && this.#sockets.size === 0) this.#empty.resolve();
    });
    if (this.#tlsServer === undefined) this.#handOver(socket);
    else this.#tlsServer.emit('connection', socket);
  }

  #handOver(socket: Socket): void {
    const { clock, onConnection } = this.#options;
    this.#silent.set(socket, clock.monotonicMs());
    socket.once('close', () => this.#silent.delete(socket));
    onConnection(socket);
  }

  #makeTlsServer(tls: TlsFiles): TlsServer {
    const { limits, mustHaveCertificate } = this.#options;
    const server = createTlsServer({
      ...contextOf(tls),
      ALPNProtocols: ['h2'],
      handshakeTimeout: limits.grpcHandshakeMs,
      requestCert: tls.clientCa !== undefined,
      rejectUnauthorized: mustHaveCertificate,
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      // Null where there was no certificate to look at; grpc-js shows only those that are valid to the calls.
      const problem = socket.authorizationError as unknown;
      if (tls.clientCa !== undefined && !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0) {
        this.#warn(`a client certificate from ${addressOf(socket)} is not valid: ${String(problem)}`);
      }
      this.#handOver(socket);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.#options.refusals.count('silent_connection');
      // Whoever only looks whether the port is open goes away like this.
      else if (error.code !== 'ECONNRESET') {
        this.#options.refusals.count('tls_handshake');
        this.#warn(`a TLS handshake with ${addressOf(socket)} failed: ${handshakeText(messageOf(error))}`);
      }
      socket.destroy();
    });
    return server;
  }

  #cutSilent(): void {
    const { clock, limits, refusals } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [socket, sinceMs] of this.#silent) {
      if (nowMs - sinceMs < limits.grpcHandshakeMs) break;
      this.#silent.delete(socket);
      if (socket.bytesRead >= FIRST_WORDS_BYTES) continue;
      refusals.count('silent_connection');
      socket.destroy();
    }
  }

  #warn(text: string): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [logged, loggedMs] of this.#loggedMs)
      if (nowMs - loggedMs >= LOG_AGAIN_MS) this.#loggedMs.delete(logged);
    if (this.#loggedMs.has(text) || this.#loggedMs.size >= MAX_LOGGED) return;
    this.#loggedMs.set(text, nowMs);
    logger.warn(text);
  }
}

/** Lines within that time, of all reasons and addresses. */
const MAX_LOGGED = 20;

/** A socket that is gone has none any more. */
function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress === undefined ? 'a client that has gone away' : plainAddress(remoteAddress);
}

function contextOf({ cert, key, clientCa }: TlsFiles): TlsOptions {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }), minVersion: 'TLSv1.2' };
}
