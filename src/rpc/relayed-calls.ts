/**
 * Calls of workers that came over HTTP. The HTTP thread has turned their JSON into the messages of gRPC and found out who
 * calls; from here on they are treated as over gRPC: the same limits, the same check of identity, the same intake.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { RejectedOnArrival } from '../engine/rejected-on-arrival.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { type ErrorCode, PulselaneError } from '../lib/errors.ts';
import { type HeartbeatHead, scanHeartbeat } from '../model/heartbeat-scan.ts';
import { certificateName, grantOf, type TokenSubject } from '../model/identity.ts';
import type { RejectionCause } from '../model/lanes.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { checkText, MAX_INSTANCE_ID_BYTES } from '../model/worker-info.ts';
import type { Authority } from './authority.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import type { Peers } from './peers.ts';
import type { Registrar } from './registration.ts';

/** Who calls, as the HTTP thread has found out. */
export interface RelayedCaller {
  /** The client's address. */
  readonly address: string;
  /** The hash of its token; undefined: none. */
  readonly tokenHash?: string | undefined;
  /** Without a token: whom its certificate names. */
  readonly subjects?: readonly TokenSubject[] | undefined;
}

/** The heartbeats of one request. */
export interface RelayedHeartbeats {
  readonly type: 'heartbeats';
  readonly caller: RelayedCaller;
  /** How often their workers mean to send; 0: not said. */
  readonly intervalMs: number;
  /** Each heartbeat, followed by a WorkerInfo, which may be empty. */
  readonly bytes: Uint8Array;
  /** For each heartbeat two offsets in `bytes`: its end, and the end of the WorkerInfo. */
  readonly ends: readonly number[];
  /** How many others were refused before, and how many of these were too large. */
  readonly unread: number;
  readonly tooLarge: number;
}

/** A worker says farewell. */
export interface RelayedFarewell {
  readonly type: 'farewell';
  readonly caller: RelayedCaller;
  readonly workerId: string;
  /** Empty: not said. */
  readonly instanceId: string;
}

export type RelayedCall = RelayedHeartbeats | RelayedFarewell;

/** What the sender is told of one heartbeat. */
export interface HeartbeatNote {
  /** Which one of the request. */
  readonly at: number;
  readonly workerId: string;
  readonly code: ErrorCode;
  readonly detail: string;
  /** It is a sign of life, and its values or its registration were not taken. */
  readonly heard?: true;
  /** The values of earlier heartbeats of its worker were rejected: this many. */
  readonly earlier?: number;
  /** Of the last one of these. */
  readonly sequence?: number;
  readonly retryAfterMs?: number;
}

export type RelayedAnswer =
  /** `accepted` includes those that were heard only. */
  | { readonly type: 'heartbeats'; readonly accepted: number; readonly notes: readonly HeartbeatNote[] }
  | { readonly type: 'farewell' }
  /** The whole call. */
  | {
      readonly type: 'refused';
      readonly code: ErrorCode;
      readonly detail: string;
      readonly retryAfterMs: number | undefined;
    };

const CODE_OF_REJECTION: Readonly<Record<RejectionCause, ErrorCode>> = {
  content: 'invalid_argument',
  record_size: 'too_large',
  record_memory: 'resource_exhausted',
};

/** Heartbeats that the HTTP thread has refused, for the counts. */
const UNREADABLE = new PulselaneError('invalid_argument', 'a heartbeat cannot be read');
const TOO_LARGE = new PulselaneError('too_large', 'a heartbeat is too large');

/** Between two looks at the time: at 0.2 ms each, with a registration, this takes 3 ms. */
const HEARTBEATS_PER_STEP = 16;

export interface RelayedCallsOptions {
  readonly manager: TelemetryManager;
  readonly guard: CallGuard;
  readonly registrar: Registrar;
  readonly peers: Peers;
  /** Undefined: no authentication. */
  readonly authority: Authority | undefined;
}

export class RelayedCalls {
  readonly #options: RelayedCallsOptions;

  constructor(options: RelayedCallsOptions) {
    this.#options = options;
  }

  /**
   * Answers a call in steps of a few milliseconds at most, so that others may run between them.
   * @throws any error that is not a PulselaneError, that is, a bug
   */
  *answering(call: RelayedCall): Generator<void, RelayedAnswer> {
    try {
      const caller = this.#callerOf(call.caller);
      if (call.type === 'farewell') return this.#farewell(call, caller);
      return yield* this.#heartbeats(call, caller);
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      if (call.type === 'heartbeats') this.#countRefused(error, call.ends.length / 2);
      return refused(error);
    }
  }

  /** @throws PulselaneError `unauthenticated` */
  #callerOf({ address, tokenHash, subjects }: RelayedCaller): Caller {
    const { peers, authority, manager } = this.#options;
    const peer = peers.of(address);
    if (authority === undefined) return { speaker: undefined, peer };
    try {
      if (tokenHash !== undefined) return { speaker: authority.speakerOfHash(tokenHash), peer };
      if (subjects !== undefined) {
        return { speaker: { name: certificateName(subjects), grant: grantOf(subjects), tokenHash: undefined }, peer };
      }
      throw new PulselaneError('unauthenticated', 'this master requires authentication of workers');
    } catch (error) {
      manager.refusals.count('unauthenticated');
      throw error;
    }
  }

  *#heartbeats(
    { intervalMs, bytes, ends, unread, tooLarge }: RelayedHeartbeats,
    caller: Caller,
  ): Generator<void, RelayedAnswer> {
    const { guard, manager } = this.#options;
    if (tooLarge > 0) manager.refusals.count('message_size', tooLarge);
    this.#countRefused(TOO_LARGE, tooLarge);
    this.#countRefused(UNREADABLE, unread - tooLarge);
    for (let left = unread; left > 0; left--) if (guard.heartbeatRefusal(caller) !== undefined) break;
    const notes: HeartbeatNote[] = [];
    let accepted = 0;
    let from = 0;
    const count = ends.length / 2;
    for (let at = 0; at < count; at++) {
      if (at > 0 && at % HEARTBEATS_PER_STEP === 0) yield;
      const end = ends[2 * at] as number;
      const infoEnd = ends[2 * at + 1] as number;
      // Each has its own memory: a lane that is late with one must not keep the memory of all.
      const heartbeat = Buffer.from(bytes.subarray(from, end));
      const info = infoEnd === end ? undefined : Buffer.from(bytes.subarray(end, infoEnd));
      from = infoEnd;
      try {
        if (this.#heartbeat({ at, heartbeat, info, intervalMs }, caller, notes)) accepted++;
      } catch (error) {
        // The master stops, so it takes none of the others, either.
        if (!(error instanceof PulselaneError)) throw error;
        this.#countRefused(error, count - at);
        if (accepted === 0) return refused(error);
        for (let rest = at; rest < count; rest++) notes.push(noteOf(rest, '', error, false));
        break;
      }
    }
    return { type: 'heartbeats', accepted, notes };
  }

  /** @returns whether it was accepted. @throws PulselaneError `unavailable`: the master stops */
  #heartbeat({ at, heartbeat, info, intervalMs }: Relayed, caller: Caller, notes: HeartbeatNote[]): boolean {
    const { guard, manager } = this.#options;
    let head: HeartbeatHead | undefined;
    let isAccepted = false;
    try {
      const refusal = guard.heartbeatRefusal(caller);
      head = scanHeartbeat(heartbeat);
      if (refusal !== undefined) throw refusal;
      // First: a token of a group may speak for a new worker only once that is registered in the group.
      const unregistered =
        info === undefined
          ? undefined
          : this.#registerProblem(intervalMs > 0 ? info : this.#withKnownInterval(info, head.workerId), caller);
      if (unregistered?.code !== 'permission_denied') guard.mustSpeakFor(caller, head.workerId);
      else if (!guard.maySpeakFor(caller, head.workerId)) throw unregistered;
      isAccepted = this.#accept(heartbeat, head, at, notes);
      if (unregistered !== undefined) throw unregistered;
      if (info === undefined && intervalMs > 0) this.#announceInterval(head.workerId, intervalMs, caller);
    } catch (error) {
      if (!(error instanceof PulselaneError) || error.code === 'unavailable') throw error;
      if (!isAccepted) manager.countRefused(error);
      notes.push(noteOf(at, head?.workerId ?? '', error, isAccepted));
    }
    return isAccepted;
  }

  /** @returns true. What is wrong with the values, and with those before, becomes a note, as over unary gRPC. */
  #accept(heartbeat: Buffer, head: HeartbeatHead, at: number, notes: HeartbeatNote[]): true {
    const { manager } = this.#options;
    const { workerId } = head;
    let isKept = false;
    try {
      isKept = manager.intake.accept(heartbeat, head, 'http');
    } catch (error) {
      if (!(error instanceof RejectedOnArrival)) throw error;
      notes.push(noteOf(at, workerId, error, true));
    }
    const problem = head.amountProblem();
    // Before `take`, because its lane may have rejected it already.
    if (problem !== undefined && isKept) manager.untoldRejections.foretold(workerId);
    const untold = manager.untoldRejections.take(workerId);
    if (problem !== undefined) {
      notes.push({ at, workerId, code: 'invalid_argument', detail: problem, heard: true });
    }
    if (untold === undefined) return true;
    const { cause, reason, sequence, count: earlier } = untold;
    const code = CODE_OF_REJECTION[cause];
    notes.push({ at, workerId, code, detail: reason, heard: true, earlier, ...(sequence === 0 ? {} : { sequence }) });
    return true;
  }

  /** A new interval costs main as much as a registration. @throws PulselaneError */
  #announceInterval(workerId: string, intervalMs: number, caller: Caller): void {
    const { manager, guard } = this.#options;
    if (this.#knownIntervalMs(workerId) === intervalMs) return;
    guard.mustBeWithinCallRate(caller);
    manager.announceInterval(workerId, intervalMs);
  }

  /** 0: not known. */
  #knownIntervalMs(workerId: string): number {
    return this.#options.manager.members.get(workerId)?.info?.intervalMs ?? 0;
  }

  /** What the worker said last counts. A registration without an interval would end it: six default ones, and it is inactive. */
  #withKnownInterval(info: Buffer, workerId: string): Buffer {
    const intervalMs = this.#knownIntervalMs(workerId);
    if (intervalMs === 0) return info;
    return Buffer.concat([info, toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { intervalMs }))]);
  }

  #registerProblem(info: Buffer, caller: Caller): PulselaneError | undefined {
    try {
      // Over gRPC each is a call; here a request brings thousands.
      this.#options.registrar.register(info, caller, false);
      return undefined;
    } catch (error) {
      if (!(error instanceof PulselaneError) || error.code === 'unavailable') throw error;
      return error;
    }
  }

  /** @throws PulselaneError */
  #farewell({ workerId, instanceId, caller: { address } }: RelayedFarewell, caller: Caller): RelayedAnswer {
    const { guard, manager } = this.#options;
    const refusal = guard.callRefusal(`${address}:0`);
    if (refusal !== undefined) throw refusal;
    checkWorkerId(workerId);
    checkText('instance_id', instanceId, MAX_INSTANCE_ID_BYTES);
    guard.mustSpeakFor(caller, workerId);
    if (!manager.sayFarewell(workerId, instanceId)) {
      throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    }
    return { type: 'farewell' };
  }

  #countRefused(error: PulselaneError, times: number): void {
    for (let left = times; left > 0; left--) this.#options.manager.countRefused(error);
  }
}

interface Relayed {
  readonly at: number;
  readonly heartbeat: Buffer;
  readonly info: Buffer | undefined;
  readonly intervalMs: number;
}

/** The whole call is. */
function refused({ code, message: detail, retryAfterMs }: PulselaneError): RelayedAnswer {
  return { type: 'refused', code, detail, retryAfterMs };
}

function noteOf(at: number, workerId: string, error: PulselaneError, isHeard: boolean): HeartbeatNote {
  const { code, message: detail, retryAfterMs } = error;
  return {
    at,
    workerId,
    code,
    detail,
    ...(isHeard ? { heard: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}
