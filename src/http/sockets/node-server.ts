/**
 * Node's server with the app in it: plain or TLS, with its time-outs, WebSockets, and requests in their turn. What cannot
 * become a request is answered here.
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
import { isApiPath } from '../answers/api-path.ts';
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

/** @param connections of the server that is made here: they are there before the first request */
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
