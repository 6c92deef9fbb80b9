/**
 * Node's server around the app: plain or TLS, with time-outs, WebSockets, and pipelined requests in order. Answers malformed
 * requests itself.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createAdaptorServer, getRequestListener, RequestError, type WebSocketServerLike } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import { ERRORS, messageOf } from '../../lib/errors.ts';
import { HEARTBEATS_PATH, isApiPath } from '../answers/api-path.ts';
import { BASE_HEADERS } from '../answers/common-headers.ts';
import { problemFacts } from '../answers/problem.ts';
import * as limits from '../http-limits.ts';
import type { HttpRefusals } from '../http-refusals.ts';
import type { HttpLog, HttpTls } from '../messages.ts';
import type { BareSockets } from './bare-sockets.ts';
import type { HttpConnections } from './http-connections.ts';
import { inTurn } from './pipelining.ts';
import { pathOfTarget } from './target.ts';
import { clientCheckOf, secureContextOf } from './tls-context.ts';

type Fetch = Parameters<typeof getRequestListener>[0];

interface ServerParts {
  readonly fetch: Fetch;
  readonly log: HttpLog;
  readonly limits: limits.HttpLimits;
  readonly tls: HttpTls | undefined;
  readonly refusals: HttpRefusals;
  readonly bare: BareSockets;
}

/** @param connections of the server created here; called only once requests arrive */
export function nodeServer(
  { fetch, log, limits: bounds, tls, refusals, bare }: ServerParts,
  connections: () => HttpConnections,
): Server {
  const sockets = new WebSocketServer({
    noServer: true,
    // The server's own set of sockets is enough.
    clientTracking: false,
    maxPayload: limits.MAX_CLIENT_MESSAGE_BYTES,
  });
  // Attached first: an error without a listener would end the thread.
  sockets.on('connection', (socket, { socket: connection }) => {
    socket.on('error', () => {});
    bare.release(connection);
  });

  // A malformed request fails synchronously in its listener.
  let inHand: IncomingMessage | undefined;
  const listener = getRequestListener(fetch, {
    // Used for HTTP/1.0 requests without Host.
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
  // For `Expect: 100-continue`: a body that is too large is refused before it is sent.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { url = '', headers } = incoming;
    const isForHeartbeats = incoming.method === 'POST' && pathOfTarget(url) === HEARTBEATS_PATH;
    const maxBytes = isForHeartbeats ? limits.maxHeartbeatsBytes(bounds) : bounds.maxBodyBytes;
    if (!(Number(headers['content-length']) > maxBytes)) outgoing.writeContinue();
    server.emit('request', incoming, outgoing);
  });
  server.timeout = limits.SOCKET_IDLE_MS;
  bare.watch(server);
  // A failed accept (too many open files) must not end the thread.
  server.on('error', (error) => {
    if (server.listening) log('warn', `HTTP: ${messageOf(error)}`);
  });
  return server;
}

interface Upgrading {
  readonly mayUpgrade: (request: IncomingMessage) => boolean;
  /** Node hands over the socket next. Not an `upgrade` listener: with two listeners node-server would refuse nothing. */
  readonly upgrades: (request: IncomingMessage) => void;
}

const serverOptions = (bounds: limits.HttpLimits, { mayUpgrade, upgrades }: Upgrading): ServerOptions => ({
  maxHeaderSize: bounds.maxHeaderBytes,
  headersTimeout: Math.min(limits.HEADERS_TIMEOUT_MS, bounds.requestTimeoutMs),
  requestTimeout: bounds.requestTimeoutMs,
  keepAliveTimeout: limits.KEEP_ALIVE_TIMEOUT_MS,
  connectionsCheckingInterval: limits.TIMEOUT_CHECK_MS,
  // Other upgrades (curl --http2 asks for h2c) are answered as normal requests: node-server would never answer them, and
  // would report a malformed Host as an internal error.
  shouldUpgradeCallback(request) {
    tameTarget(request);
    const { upgrade, host } = request.headers;
    if (!mayUpgrade(request) || upgrade?.toLowerCase() !== 'websocket' || !URL.canParse(`http://${host}`)) return false;
    upgrades(request);
    return true;
  },
});

/** node-server refuses a raw backslash, but a worker id may contain one. Escaped, it means the same. */
function tameTarget(incoming: IncomingMessage): void {
  if (incoming.url?.includes('\\')) incoming.url = incoming.url.replaceAll('\\', '%5C');
}

/** Answers a request that node-server could not parse or could not answer. */
function requestErrorResponse(error: unknown, target: string, log: HttpLog): Response {
  const isTheirs = error instanceof RequestError;
  if (!isTheirs) log('error', `a request failed: ${messageOf(error)}`);
  const code = isTheirs ? 'invalid_argument' : 'internal';
  const detail = isTheirs ? 'malformed request' : 'internal error';
  const path = pathOfTarget(target);
  const { httpStatus: status } = ERRORS[code];
  if (!isApiPath(path)) return Response.json({ error: detail }, { status, headers: BASE_HEADERS });
  const headers = { ...BASE_HEADERS, 'Content-Type': 'application/problem+json' };
  return Response.json(problemFacts(code, detail, path), { status, headers });
}
