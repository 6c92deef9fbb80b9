/**
 * What stands before every call of the two services: how much metadata it brings, who makes it, and how many heartbeats
 * its address sends. Who it is is settled once for a call or stream; each heartbeat then costs a look into a set.
 */
import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { PulselaneError } from '../lib/errors.ts';
import { heartbeatsText } from '../model/heartbeat-rate.ts';
import { refusalOf } from '../model/identity.ts';
import type { Authority, Speaker } from './authority.ts';
import type { Peer, Peers } from './peers.ts';

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext' | 'getPeer'>;

/** For the words of the refusals alone: the peers know them. */
export interface PeerLimits {
  readonly maxPeerHeartbeatsPerS: number;
  readonly maxPeerCallsPerS: number;
}

export interface CallGuardOptions extends PeerLimits {
  readonly manager: TelemetryManager;
  readonly peers: Peers;
  /** Undefined: nobody has to say who it is. */
  readonly authority: Authority | undefined;
  readonly maxMetadataBytes: number;
}

/** A peer that sends too often is quiet for a second, in which its burst may begin anew. */
const RATE_RETRY_AFTER_MS = 1000;

/** Who makes a call, for as long as it lasts. */
export interface Caller {
  /** Undefined: it may speak for anybody. */
  readonly speaker: Speaker | undefined;
  readonly peer: Peer;
}

export class CallGuard {
  readonly #options: CallGuardOptions;
  /** Made once: a peer that floods must not cost an error for each heartbeat. */
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

  /** A call begins. Nothing of its request has been decoded. @throws PulselaneError `too_large`, `unauthenticated` */
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
   * A small request comes, whose call has been counted for its address: each further KiB counts as one more.
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

  /** Something comes that counts as a call of this peer. @returns why it is refused; undefined if it is not */
  callRefusal(peerAddress: string): PulselaneError | undefined {
    const { peers, manager } = this.#options;
    if (peers.mayCall(peers.of(addressOf(peerAddress)))) return undefined;
    manager.refusals.count('peer_call_rate');
    return this.#tooManyCalls;
  }

  /** A heartbeat comes. @returns why it is refused, before anybody has looked at it; undefined if it may be taken */
  heartbeatRefusal({ peer }: Caller): PulselaneError | undefined {
    const { peers, manager } = this.#options;
    if (peers.mayBeat(peer)) return undefined;
    manager.refusals.count('peer_heartbeat_rate');
    return this.#tooOften;
  }

  /**
   * @param namedGroup the group that it names where it registers a worker
   * @throws PulselaneError `permission_denied` if the caller is another worker; that is told as an event
   */
  mustSpeakFor({ speaker, peer }: Caller, workerId: string, namedGroup?: string): void {
    if (speaker === undefined || speaker.grant.workers.has(workerId)) return;
    const { manager, authority } = this.#options;
    const reason = refusalOf(speaker.grant, {
      workerId,
      knownGroup: manager.groupOf(workerId),
      namedGroup,
      hasOwnToken: authority?.hasTokenOf(workerId) === true,
    });
    if (reason === undefined) return;
    manager.identityViolated({ workerId, speaker: speaker.name, peer: peer.name, reason });
    throw new PulselaneError('permission_denied', `the caller is known by ${speaker.name}: ${reason}`);
  }

  /** The caller of a stream that lives on, with what it may do now; undefined if it would not be let in again. */
  renewed(caller: Caller): Caller | undefined {
    const { authority } = this.#options;
    if (caller.speaker === undefined || authority === undefined) return caller;
    const speaker = authority.renewed(caller.speaker);
    return speaker && { ...caller, speaker };
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

/** Without the port. */
export function addressOf(peer: string): string {
  const at = peer.lastIndexOf(':');
  return at < 0 ? peer : peer.slice(0, at);
}

export function tooManyCalls(perS: number): PulselaneError {
  return new PulselaneError(
    'rate_limited',
    `this address makes more than ${perS} calls a second beside heartbeats (MAX_PEER_CALL_RATE)`,
    { retryAfterMs: RATE_RETRY_AFTER_MS },
  );
}
