/**
 * Limits connections, in total and per peer. A connection over the limit is not closed at once: its first request gets a 503.
 * That is done for a few at a time; beyond them, and with TLS, where it would cost a handshake, the connection is closed.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from '../../lib/networks.ts';
import { isApiPath } from '../answers/api-path.ts';
import { BASE_HEADERS } from '../answers/common-headers.ts';
import { problemFacts } from '../answers/problem.ts';
import { type HttpLimits, SPARE_CONNECTION_MS, SPARE_CONNECTIONS } from '../http-limits.ts';
import type { HttpRefusals } from '../http-refusals.ts';
import { pathOfTarget } from './target.ts';

const BUSY = 'too many connections';

/** In the format of the path's other errors. */
function busyAnswer(path: string): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
  const isProblem = isApiPath(path);
  const body = JSON.stringify(isProblem ? problemFacts('resource_exhausted', BUSY, path) : { error: BUSY });
  const headers = {
    ...BASE_HEADERS,
    Connection: 'close',
    'Content-Type': isProblem ? 'application/problem+json' : 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Retry-After': '1',
  };
  return { body, headers };
}

export class HttpConnections {
  readonly #limits: HttpLimits;
  readonly #refusals: HttpRefusals;
  readonly #sockets = new Set<Socket>();
  readonly #byPeer = new Map<string, number>();
  readonly #tooMany = new WeakSet<Socket>();

  /** Watches the connections of a server; call it before listening. */
  constructor(server: Server, limits: HttpLimits, refusals: HttpRefusals, isTls: boolean) {
    this.#limits = limits;
    this.#refusals = refusals;
    server.maxConnections = limits.maxConnections + SPARE_CONNECTIONS;
    server.on('drop', () => refusals.count('connections'));
    server.on('connection', (socket: Socket) => this.#opened(socket, isTls));
  }

  /** How many are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** The open connections. */
  all(): readonly Socket[] {
    return [...this.#sockets];
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** @returns whether the request was answered with 503 because its connection is over the limit */
  turnsAway({ socket, url = '' }: IncomingMessage, outgoing: ServerResponse): boolean {
    if (!this.#tooMany.has(socket)) return false;
    const { body, headers } = busyAnswer(pathOfTarget(url));
    outgoing.writeHead(503, headers).end(body);
    return true;
  }

  /** A connection over the limit must not become a WebSocket. */
  mayUpgrade({ socket }: IncomingMessage): boolean {
    return !this.#tooMany.has(socket);
  }

  #opened(socket: Socket, isTls: boolean): void {
    const peer = networkOf(socket.remoteAddress ?? '');
    const ofPeer = (this.#byPeer.get(peer) ?? 0) + 1;
    this.#sockets.add(socket);
    this.#byPeer.set(peer, ofPeer);
    socket.once('close', () => this.#closed(socket, peer));
    if (this.#sockets.size > this.#limits.maxConnections) this.#refusals.count('connections');
    else if (ofPeer > this.#limits.maxConnectionsPerPeer) this.#refusals.count('connections_per_peer');
    else return;
    if (isTls) {
      socket.destroy();
      return;
    }
    this.#tooMany.add(socket);
    socket.setTimeout(SPARE_CONNECTION_MS, () => socket.destroy());
  }

  #closed(socket: Socket, peer: string): void {
    this.#sockets.delete(socket);
    const left = (this.#byPeer.get(peer) ?? 1) - 1;
    if (left === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, left);
  }
}
