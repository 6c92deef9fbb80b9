/**
 * What happens to calls before and beside our handlers: an address that makes too many is refused whatever it calls, and
 * what grpc-js and Node refuse by themselves is counted. Heartbeats have a rate of their own.
 *
 *     HTTP/2 session ─► stream ─► grpc-js ─► intercept ─► handler
 *       │ errors          │ other paths       │ status that we did not send
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
  /** For the words of the refusal alone: the peers know it. */
  readonly maxPeerCallsPerS: number;
  /** Paths of the calls that have a rate of their own. */
  readonly heartbeatPaths: ReadonlySet<string>;
}

/**
 * Of one gap: clients choose their numbers, and one that skips a billion has not been refused so often. More than a client
 * of a fleet opens at a time.
 */
const MAX_GAP_COUNTED = 100;
/** RFC 9113, section 7: ENHANCE_YOUR_CALM. */
const CALM_DOWN = 11;

export class CallWatch {
  readonly #options: CallWatchOptions;
  readonly #servedPaths = new Set<string>();
  /** The newest stream of each connection. */
  readonly #lastIds = new WeakMap<Http2Session, number>();
  readonly #tooOften: PulselaneError;

  constructor(options: CallWatchOptions) {
    this.#options = options;
    this.#tooOften = tooManyCalls(options.maxPeerCallsPerS);
  }

  /** What grpc-js asks before each call that it has a handler for. */
  readonly intercept: ServerInterceptor = ({ path }, call) => {
    const { peers, refusals, heartbeatPaths } = this.#options;
    const send = call.sendStatus.bind(call);
    // grpc-js calls it where it refuses something, as our handlers do: no interceptor of its own kind would see that.
    let isOver = false;
    call.sendStatus = (sent) => {
      const reason = isOver ? undefined : reasonOf(sent as Partial<StatusObject>);
      if (reason !== undefined) refusals.count(reason);
      // What is said after that nobody hears.
      isOver = true;
      send(sent);
    };
    if (!heartbeatPaths.has(path) && !peers.mayCall(peers.of(addressOf(call.getPeer())))) {
      refusals.count('peer_call_rate');
      call.sendStatus(serviceErrorOf(this.#tooOften) as StatusObject);
    }
    return call as ServerInterceptingCall;
  };

  /** Begins to look at a server that has its handlers. */
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
    // grpc-js answers the call in this very turn; there is nothing on it that could tell when to come back.
    setImmediate(() => session.destroy(undefined, CALM_DOWN));
  }

  /**
   * Clients number their streams 1, 3, 5: those between the last one and this one were refused before anybody saw them,
   * since the connection had as many as it may have.
   */
  #countSkipped(session: Http2Session, id: number): void {
    // The first one is never refused, whatever its number is.
    const skipped = (id - (this.#lastIds.get(session) ?? id)) / 2 - 1;
    this.#lastIds.set(session, id);
    if (skipped > 0) this.#options.refusals.count('streams', Math.min(skipped, MAX_GAP_COUNTED));
  }
}

/** They are not shown by grpc-js: where they have another name nothing is counted, which a test would notice. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  return [...(http2Servers?.keys() ?? [])];
}

/** Why grpc-js ends a call by itself; undefined if it does not, or does so at no limit. Our own errors have a code. */
function reasonOf({ code, details, metadata }: Partial<StatusObject>): RefusalReason | undefined {
  if (code === status.OK || hasErrorCode(metadata)) return undefined;
  if (code === status.RESOURCE_EXHAUSTED) return details?.startsWith('Received message') ? 'message_size' : undefined;
  // Ours is "internal error"; theirs tell of a message that is compressed badly, or of a time that is none.
  if (code === status.INTERNAL) return details === 'internal error' ? undefined : 'malformed_call';
  return code === status.UNIMPLEMENTED ? 'malformed_call' : undefined;
}
