/**
 * Checks every call of the two services: the size of its metadata, the caller's identity, and its address's heartbeat rate.
 * The caller is authenticated once per call or stream; each heartbeat then costs one set lookup.
 */
import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { PulselaneError } from '../lib/errors.ts';
import { heartbeatsText } from '../model/heartbeat-rate.ts';
import { refusalOf } from '../model/identity.ts';
import type { Authority, Speaker } from './authority.ts';
import type { Peer, Peers } from './peers.ts';

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext' | 'getPeer'>;

/** Used only for error texts: `Peers` enforces these limits. */
export interface PeerLimits {
  readonly maxPeerHeartbeatsPerS: number;
  readonly maxPeerCallsPerS: number;
}

export interface CallGuardOptions extends PeerLimits {
  readonly manager: TelemetryManager;
  readonly peers: Peers;
  /** Undefined: no authentication. */
  readonly authority: Authority | undefined;
  readonly maxMetadataBytes: number;
}

/** After one second of silence, an address may send a full burst again. */
const RATE_RETRY_AFTER_MS = 1000;

/** The caller of one call, for the call's duration. */
export interface Caller {
  /** Undefined: no authentication, so it may speak for any worker. */
  readonly speaker: Speaker | undefined;
  readonly peer: Peer;
}

export class CallGuard {
  readonly #options: CallGuardOptions;
  /** Created once: a flooding peer must not cost an error object per heartbeat. */
  readonly #tooOften: PulselaneError;
  readonly #tooManyCalls: PulselaneError;

  constructor(options: CallGuardOptions) {
    this.#options = options;
    this.#tooOften = new PulselaneError(
      'rate_limited',
      `this address sends more than ${heartbeatsText(options.maxPeerHeartbeatsPerS)} a second (MAX_PEER_HEARTBEAT_RATE)`,
      { retryAfterMs: RATE_RETRY_AFTER_MS },
    );
    this.#tooManyCalls = tooManyCalls(options.maxPeerCallsPerS);
  }

  /** Admits a call before its request is decoded. @throws PulselaneError `too_large`, `unauthenticated` */
  enter(call: Call): Caller {
    const { peers, authority, manager } = this.#options;
    this.#checkMetadata(call);
    const peer = peers.of(addressOf(call.getPeer()));
    if (authority === undefined) return { speaker: undefined, peer };
    try {
      return {
        speaker: authority.speakerOf({ metadata: call.metadata, getAuthContext: () => call.getAuthContext() }),
        peer,
      };
    } catch (error) {
      manager.refusals.count('unauthenticated');
      throw error;
    }
  }

  /**
   * Checks the size of a small request. The call itself is already counted for its address; each further KiB counts as one more.
   * @throws PulselaneError `invalid_argument` if it is too large, `rate_limited`
   */
  mustFit({ peer }: Caller, name: string, request: Buffer, maxBytes: number): void {
    const { peers, manager } = this.#options;
    if (request.length > maxBytes) {
      manager.refusals.count('registration_size');
      throw new PulselaneError(
        'invalid_argument',
        `${name} has ${request.length} bytes; at most ${maxBytes} are allowed`,
      );
    }
    const more = Math.ceil(request.length / 1024) - 1;
    if (more <= 0 || peers.mayCall(peer, more)) return;
    manager.refusals.count('peer_call_rate');
    throw this.#tooManyCalls;
  }

  /** Counts something as a call of this peer. @returns the error if the peer is over its rate, otherwise undefined */
  callRefusal(peerAddress: string): PulselaneError | undefined {
    return this.#callRefusal(this.#options.peers.of(addressOf(peerAddress)));
  }

  /** Counts something within a request as a call of its own. @throws PulselaneError `rate_limited` */
  mustBeWithinCallRate({ peer }: Caller): void {
    const refusal = this.#callRefusal(peer);
    if (refusal !== undefined) throw refusal;
  }

  #callRefusal(peer: Peer): PulselaneError | undefined {
    const { peers, manager } = this.#options;
    if (peers.mayCall(peer)) return undefined;
    manager.refusals.count('peer_call_rate');
    return this.#tooManyCalls;
  }

  /** Counts a heartbeat before it is scanned. @returns the error if the peer is over its rate, otherwise undefined */
  heartbeatRefusal({ peer }: Caller): PulselaneError | undefined {
    const { peers, manager } = this.#options;
    if (peers.mayBeat(peer)) return undefined;
    manager.refusals.count('peer_heartbeat_rate');
    return this.#tooOften;
  }

  /**
   * @param namedGroup the group named in a registration
   * @throws PulselaneError `permission_denied` if the caller may not speak for this worker; also emits an `identity` event
   */
  mustSpeakFor(caller: Caller, workerId: string, namedGroup?: string): void {
    const { speaker, peer } = caller;
    const reason = this.#reasonAgainst(caller, workerId, namedGroup);
    if (speaker === undefined || reason === undefined) return;
    const { manager } = this.#options;
    manager.identityViolated({ workerId, speaker: speaker.name, peer: peer.name, reason });
    throw new PulselaneError('permission_denied', `the caller is identified by ${speaker.name}: ${reason}`);
  }

  /** The same without an event: for a caller that was refused just now for something else about this worker. */
  maySpeakFor(caller: Caller, workerId: string): boolean {
    return this.#reasonAgainst(caller, workerId, undefined) === undefined;
  }

  #reasonAgainst({ speaker }: Caller, workerId: string, namedGroup: string | undefined): string | undefined {
    if (speaker === undefined || speaker.grant.workers.has(workerId)) return undefined;
    const { manager, authority } = this.#options;
    return refusalOf(speaker.grant, {
      workerId,
      knownGroup: manager.groupOf(workerId),
      namedGroup,
      hasOwnToken: authority?.hasTokenOf(workerId) === true,
    });
  }

  /**
   * The caller of an open stream with its present grant.
   * @throws PulselaneError `unauthenticated` if it would no longer be authenticated
   */
  renewed(caller: Caller): Caller {
    const { authority } = this.#options;
    if (caller.speaker === undefined || authority === undefined) return caller;
    return { ...caller, speaker: authority.renewed(caller.speaker) };
  }

  #checkMetadata({ metadata }: Call): void {
    const { maxMetadataBytes, manager } = this.#options;
    let bytes = 0;
    for (const [key, values] of Object.entries(metadata.toJSON() as Record<string, (string | Buffer)[]>)) {
      for (const value of values) bytes += key.length + value.length;
    }
    if (bytes <= maxMetadataBytes) return;
    manager.refusals.count('metadata');
    throw new PulselaneError(
      'too_large',
      `the call has ${bytes} bytes of metadata; at most ${maxMetadataBytes} are taken (MAX_METADATA_SIZE)`,
    );
  }
}

/** The address without the port. */
export function addressOf(peer: string): string {
  const at = peer.lastIndexOf(':');
  return at < 0 ? peer : peer.slice(0, at);
}

export function tooManyCalls(perS: number): PulselaneError {
  return new PulselaneError(
    'rate_limited',
    `this address makes more than ${perS} calls a second, heartbeats not counted (MAX_PEER_CALL_RATE)`,
    { retryAfterMs: RATE_RETRY_AFTER_MS },
  );
}
