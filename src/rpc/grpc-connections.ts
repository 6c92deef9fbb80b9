/**
 * The connections of the gRPC server. We accept the sockets ourselves, so that they are counted before they cost anything,
 * and so that we control TLS: `setSecureContext` gives new connections a new certificate and leaves open ones alone.
 *
 *     net.Server ── counted ──► plaintext ─────────────────────────┐
 *                           └─► TLS: handshake in a tls.Server ────┴──► grpc-js, as an HTTP/2 session
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
  /** A connection that has sent nothing useful after this time is closed. */
  readonly grpcHandshakeMs: number;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Undefined: plaintext. */
  readonly tls: TlsFiles | undefined;
  /** Whether a client without a valid certificate is refused in the handshake; if not, its calls may carry a token. */
  readonly mustHaveCertificate: boolean;
  readonly peers: Peers;
  readonly refusals: Refusals;
  /** Takes over an accepted connection, to speak HTTP/2 on it. */
  readonly onConnection: (socket: Socket) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The start of every HTTP/2 connection: 24 bytes of preface and the header of a SETTINGS frame (RFC 9113, section 3.4). */
const FIRST_WORDS_BYTES = 33;
const LOOK_EVERY_MS = 500;
/** The same text is logged once in this time; the counters have the total. */
const LOG_AGAIN_MS = 60_000;

export class GrpcConnections {
  readonly #options: ConnectionsOptions;
  readonly #servers: NetServer[] = [];
  readonly #tlsServer: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  /** Connections that may not have sent anything yet, with the time since when, oldest first. */
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
   * Listens on every address of the host, all on the same port. @returns the port
   * @throws the last address's error, if none could be bound
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

  /** Sets what new connections use. The caller has checked the files. */
  setTls(tls: TlsFiles): void {
    this.#tlsServer?.setSecureContext(contextOf(tls));
  }

  /** How many connections are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Stops accepting connections. */
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

  /** Closes all remaining connections at once. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #listenOn(address: string, port: number): Promise<number> {
    const server = createNetServer({ noDelay: true }, (socket) => this.#admit(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        // For example too many open files: the clients try again.
        server.on('error', (error) => this.#warn(`cannot accept a connection: ${messageOf(error)}`));
        this.#servers.push(server);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  #admit(socket: Socket): void {
    const { peers, limits, refusals } = this.#options;
    // The socket has no other error listener until it is handed over, or if it is refused.
    socket.on('error', () => {});
    const { remoteAddress } = socket;
    // The client has already disconnected.
    if (remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const peer = peers.of(remoteAddress);
    if (this.#sockets.size >= limits.maxGrpcConnections) {
      refusals.count('connections');
      this.#warn(
        `refused a gRPC connection: the limit of ${limits.maxGrpcConnections} is reached (MAX_GRPC_CONNECTIONS)`,
      );
      socket.destroy();
      return;
    }
    if (peer.connections >= limits.maxPeerGrpcConnections) {
      refusals.count('peer_connections');
      this.#warn(
        `refused a gRPC connection from ${peer.name}: the limit of ${limits.maxPeerGrpcConnections} per address is reached ` +
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
      // Null if the client sent no certificate; grpc-js shows only valid certificates to calls.
      const problem = socket.authorizationError as unknown;
      if (tls.clientCa !== undefined && !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0) {
        this.#warn(`a client certificate from ${addressOf(socket)} is not valid: ${String(problem)}`);
      }
      this.#handOver(socket);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.#options.refusals.count('silent_connection');
      // A port check closes the connection like this.
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

/** Log lines within that time, for all reasons and addresses together. */
const MAX_LOGGED = 20;

/** A closed socket has no address any more. */
function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress === undefined ? 'a client that has disconnected' : plainAddress(remoteAddress);
}

function contextOf({ cert, key, clientCa }: TlsFiles): TlsOptions {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }), minVersion: 'TLSv1.2' };
}
