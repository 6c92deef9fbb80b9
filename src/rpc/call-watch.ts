/**
 * Watches calls outside our handlers: refuses an address that makes too many calls, whatever it calls, and counts what grpc-js
 * and Node refuse by themselves. Heartbeats have a rate limit of their own.
 *
 *     HTTP/2 session ─► stream ─► grpc-js ─► intercept ─► handler
 *       │ errors          │ other paths       │ status that our code did not send
 */
import type { Http2Server, Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import {
  type Server,
  type ServerInterceptingCall,
  type ServerInterceptor,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { RefusalReason, Refusals } from '../engine/refusals.ts';
import type { PulselaneError } from '../lib/errors.ts';
import { addressOf, tooManyCalls } from './call-guard.ts';
import type { Peers } from './peers.ts';
import { hasErrorCode, serviceErrorOf } from './status.ts';

export interface CallWatchOptions {
  readonly peers: Peers;
  readonly refusals: Refusals;
  /** Used only for the error text: `Peers` enforces the limit. */
  readonly maxPeerCallsPerS: number;
  /** Paths of the calls with a rate limit of their own. */
  readonly heartbeatPaths: ReadonlySet<string>;
}

/**
 * Refused streams counted per gap in stream ids. Clients choose their ids, so one that skips a billion has not been refused
 * a billion times. A client of a real fleet opens fewer streams at once.
 */
const MAX_GAP_COUNTED = 100;
/** RFC 9113, section 7: ENHANCE_YOUR_CALM. */
const CALM_DOWN = 11;

export class CallWatch {
  readonly #options: CallWatchOptions;
  readonly #servedPaths = new Set<string>();
  /** The last stream id of each connection. */
  readonly #lastIds = new WeakMap<Http2Session, number>();
  readonly #tooOften: PulselaneError;

  constructor(options: CallWatchOptions) {
    this.#options = options;
    this.#tooOften = tooManyCalls(options.maxPeerCallsPerS);
  }

  /** The interceptor that grpc-js calls before each call that has a handler. */
  readonly intercept: ServerInterceptor = ({ path }, call) => {
    const { peers, refusals, heartbeatPaths } = this.#options;
    const send = call.sendStatus.bind(call);
    // grpc-js also calls sendStatus for its own refusals, which an ordinary interceptor would not see.
    let isOver = false;
    call.sendStatus = (sent) => {
      const reason = isOver ? undefined : reasonOf(sent as Partial<StatusObject>);
      if (reason !== undefined) refusals.count(reason);
      // Clients ignore a second status.
      isOver = true;
      send(sent);
    };
    if (!heartbeatPaths.has(path) && !peers.mayCall(peers.of(addressOf(call.getPeer())))) {
      refusals.count('peer_call_rate');
      call.sendStatus(serviceErrorOf(this.#tooOften) as StatusObject);
    }
    return call as ServerInterceptingCall;
  };

  /** Starts to watch a server; its handlers must have been added. */
  watch(server: Server): void {
    // As `http2ServersOf`.
    const { handlers } = server as unknown as { readonly handlers?: ReadonlyMap<string, unknown> };
    for (const path of handlers?.keys() ?? []) this.#servedPaths.add(path);
    for (const http2Server of http2ServersOf(server)) {
      http2Server.prependListener('stream', (stream, headers) => this.#begun(stream as ServerHttp2Stream, headers));
      http2Server.on('sessionError', () => this.#options.refusals.count('http2_error'));
    }
  }

  #begun(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { session } = stream;
    if (session === undefined) return;
    this.#countSkipped(session, stream.id ?? 0);
    const isGrpc = headers['content-type']?.startsWith('application/grpc') === true;
    if (isGrpc && this.#servedPaths.has(headers[':path'] ?? '')) return;
    const { peers, refusals } = this.#options;
    refusals.count(isGrpc ? 'unimplemented' : 'not_grpc');
    if (peers.mayCall(peers.of(session.socket.remoteAddress ?? ''))) return;
    refusals.count('peer_call_rate');
    // grpc-js answers the call in this same turn, without a way to tell the client when to retry. So the connection is closed.
    setImmediate(() => session.destroy(undefined, CALM_DOWN));
  }

  /**
   * Clients number their streams 1, 3, 5, …. Numbers missing between the last stream and this one were refused by nghttp2,
   * because the connection was at its stream limit.
   */
  #countSkipped(session: Http2Session, id: number): void {
    // The first stream is never refused, whatever its id.
    const skipped = (id - (this.#lastIds.get(session) ?? id)) / 2 - 1;
    this.#lastIds.set(session, id);
    if (skipped > 0) this.#options.refusals.count('streams', Math.min(skipped, MAX_GAP_COUNTED));
  }
}

/** grpc-js keeps these private. If it renames them nothing is counted, which a test detects. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  return [...(http2Servers?.keys() ?? [])];
}

/** Why grpc-js itself ended a call; undefined if our code ended it or no limit was reached. Our errors carry a code. */
function reasonOf({ code, details, metadata }: Partial<StatusObject>): RefusalReason | undefined {
  if (code === status.OK || hasErrorCode(metadata)) return undefined;
  if (code === status.RESOURCE_EXHAUSTED) return details?.startsWith('Received message') ? 'message_size' : undefined;
  // Ours is "internal error"; those of grpc-js name a badly compressed message or an invalid timeout.
  if (code === status.INTERNAL) return details === 'internal error' ? undefined : 'malformed_call';
  return code === status.UNIMPLEMENTED ? 'malformed_call' : undefined;
}
