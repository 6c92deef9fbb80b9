/**
 * Introduces this master to workers that wait for it (`cluster.MasterWorker/MasterRegister`): at once when an operator
 * gives an address, and again with back-off while that worker is not active. A legacy worker sends nothing until it
 * has been told, and forgets after a reboot.
 */
import { hostname } from 'node:os';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { type Address, formatAddress, type WorkerAddress, workerAddress } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { MasterInfoSchema, MasterWorker, type RegisterAck } from '../gen/cluster/master_worker_pb.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { DueQueue } from '../lib/due-queue.ts';
import { messageOf } from '../lib/errors.ts';
import { shortText } from '../lib/foreign-text.ts';
import { type ClientPems, grpcServiceOf, tlsChannel, WITHOUT_CHANNELZ } from '../lib/grpc-adapter.ts';
import { localAddressTowards } from '../lib/local-address.ts';
import type { Logger } from '../lib/logging.ts';
import { printable } from '../lib/printable.ts';
import { connectionCause, NO_TLS_THERE } from '../lib/tls-errors.ts';
import { suspectAfterMs } from '../model/liveness.ts';
import type { RowView } from '../store/board.ts';
import { advertisedAddress } from './advertise.ts';

export interface MasterIntroducerOptions {
  readonly manager: TelemetryManager;
  readonly advertiseAddress: Address | undefined;
  /** Where the gRPC server is bound. */
  readonly boundAddress: Address;
  /** For workers that speak TLS. */
  readonly tls?: ClientPems;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Introduction =
  | { readonly accepted: true; readonly advertised: string }
  | { readonly accepted: false; readonly reason: string };

interface Attempt {
  delayMs: number;
  /** Logged once per change, not once per try. */
  lastReason: string | undefined;
}

/** The legacy system tries every 5 s; we slow down to 30 s, so that a rack that is off costs little. */
const FIRST_DELAY_MS = 5000;
const LONGEST_DELAY_MS = 30_000;
const BACK_OFF_FACTOR = 1.5;
const LOOK_EVERY_MS = 500;
/** A worker that is there answers within milliseconds. */
const CALL_TIMEOUT_MS = 3000;
/** Workers that are looked at in one go: a few ms, and enough for 20,000 that report. */
const MAX_LOOKS = 1000;
/** Of a worker's answer, which may be as large as a message. */
const MAX_REASON_LENGTH = 300;
/** Calls under way at a time: each is a connection. */
const MAX_CALLS = 32;

const MASTER_REGISTER = grpcServiceOf(MasterWorker).MasterRegister as MethodDefinition<unknown, RegisterAck>;

export class MasterIntroducer {
  readonly #options: MasterIntroducerOptions;
  readonly #attempts = new Map<string, Attempt>();
  /**
   * Workers with an address, by when they are to be looked at: one that is not heard when it is to be called next, one that
   * is heard when it would have been silent for too long. So those that report cost a look in some seconds.
   */
  readonly #due = new DueQueue();
  #tls: ClientPems;
  #timer: Timer | undefined;
  #calls = 0;

  constructor(options: MasterIntroducerOptions) {
    this.#options = options;
    this.#tls = options.tls ?? { ca: undefined, cert: undefined, key: undefined };
  }

  /** Calls from now on are made with these; what is not named stays as it is. */
  setTls(changed: Partial<ClientPems>): void {
    this.#tls = { ...this.#tls, ...changed };
  }

  start(): void {
    const { manager, clock } = this.#options;
    manager.members.onAddress((workerId) => this.#due.set(workerId, clock.monotonicMs()));
    this.#timer = clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Introduces this master to a worker whose address is known. Never rejects: the outcome says what happened. */
  async introduceNow(workerId: string): Promise<Introduction> {
    const attempt = this.#attempts.get(workerId) ?? { delayMs: FIRST_DELAY_MS, lastReason: undefined };
    this.#attempts.set(workerId, attempt);
    // It sets the next one itself.
    this.#due.delete(workerId);
    this.#calls++;
    const outcome = await this.#call(workerId, this.#options.manager.members.addressOf(workerId));
    this.#calls--;
    this.#due.set(workerId, this.#options.clock.monotonicMs() + attempt.delayMs);
    attempt.delayMs = Math.min(LONGEST_DELAY_MS, attempt.delayMs * BACK_OFF_FACTOR);
    this.#log(workerId, attempt, outcome);
    return outcome;
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (let looks = 0; looks < MAX_LOOKS && this.#calls < MAX_CALLS; looks++) {
      const workerId = this.#due.take(nowMs);
      if (workerId === undefined) return;
      this.#lookAt(workerId, nowMs);
    }
  }

  #lookAt(workerId: string, nowMs: number): void {
    const { members, directory } = this.#options.manager;
    // Forgotten, or not let in: if that changes we are told.
    if (members.addressOf(workerId) === undefined || !members.admits(workerId)) {
      this.#attempts.delete(workerId);
      return;
    }
    const entry = directory.get(workerId);
    const heardForMs = entry === undefined ? 0 : stillHeardForMs(directory.board.view(entry.row, nowMs));
    if (heardForMs <= 0) {
      void this.introduceNow(workerId);
      return;
    }
    this.#attempts.delete(workerId);
    this.#due.set(workerId, nowMs + Math.min(heardForMs, LONGEST_DELAY_MS));
  }

  async #call(workerId: string, address: string | undefined): Promise<Introduction> {
    if (address === undefined) return { accepted: false, reason: 'no address is known' };
    try {
      const peer = workerAddress.parse(address);
      const advertised = await this.#advertisedTo(peer);
      const deadlineUnixMs = this.#options.clock.wallMs() + CALL_TIMEOUT_MS;
      const ack = await masterRegister(this.#clientOf(peer), advertised, deadlineUnixMs);
      if (ack.success) return { accepted: true, advertised };
      return { accepted: false, reason: ack.message === '' ? 'the worker refused' : toldByWorker(ack.message) };
    } catch (error) {
      return { accepted: false, reason: toldByWorker(failureText(error, workerId)) };
    }
  }

  /** On a connection of its own: workers are many and called seldom. */
  #clientOf(peer: WorkerAddress): Client {
    const target = formatAddress(peer);
    // Of the process's own pool a connection would keep the certificates with which it was made.
    const options = { ...WITHOUT_CHANNELZ, 'grpc.use_local_subchannel_pool': 1 };
    if (!peer.isTls) return new Client(target, credentials.createInsecure(), options);
    const { credentials: secure, channelOptions } = tlsChannel(this.#tls, peer.host);
    return new Client(target, secure, { ...options, ...channelOptions });
  }

  async #advertisedTo(peer: Address): Promise<string> {
    const { advertiseAddress, boundAddress } = this.#options;
    return advertisedAddress({
      configured: advertiseAddress,
      bound: boundAddress,
      routeHost: await localAddressTowards(peer, this.#options.clock),
    });
  }

  #log(workerId: string, attempt: Attempt, outcome: Introduction): void {
    const reason = outcome.accepted ? '' : outcome.reason;
    if (reason === attempt.lastReason) return;
    attempt.lastReason = reason;
    if (outcome.accepted) this.#options.logger.info({ worker: workerId }, 'worker was told to report here');
    else this.#options.logger.warn({ worker: workerId, reason }, 'worker could not be told to report here');
  }
}

/**
 * Why a call came to nothing, for people: the same for the same cause, so that it is logged once.
 * @param error a ServiceError, or what went wrong before the call
 */
export function failureText(error: unknown, workerId: string): string {
  const { code, details } = error as Partial<ServiceError>;
  // Not of gRPC: errors of Node and of ours have codes that are words.
  if (typeof code !== 'number') return messageOf(error);
  if (code !== status.UNAVAILABLE) return details || messageOf(error);
  const cause = connectionCause(details ?? '');
  const refused = /ECONNREFUSED (\S+)/.exec(cause);
  if (refused !== null) return `nobody listens there (ECONNREFUSED ${refused[1]})`;
  if (NO_TLS_THERE.test(cause)) return `no TLS is spoken there; try register ${workerId} <ip:port>`;
  if (cause === 'Failed to connect') {
    const what = 'the connection was closed before gRPC was spoken; does the worker speak TLS';
    return `${what} (register ${workerId} tls://<ip:port>)?`;
  }
  if (cause === 'Protocol error') return 'no gRPC is spoken there';
  return cause === '' ? messageOf(error) : cause;
}

/** What another machine says, as one line for the log and the prompt. */
function toldByWorker(text: string): string {
  return printable(shortText(text, MAX_REASON_LENGTH));
}

/** One call, by a client that is closed after it. */
async function masterRegister(client: Client, masterAddress: string, deadlineUnixMs: number): Promise<RegisterAck> {
  try {
    return await new Promise<RegisterAck>((resolve, reject) => {
      client.makeUnaryRequest(
        MASTER_REGISTER.path,
        MASTER_REGISTER.requestSerialize,
        MASTER_REGISTER.responseDeserialize,
        create(MasterInfoSchema, { masterId: hostname(), masterAddress }),
        { deadline: deadlineUnixMs },
        (error: ServiceError | null, ack?: RegisterAck) => {
          if (error !== null) reject(error);
          else if (ack === undefined) reject(new Error('the worker answered nothing'));
          else resolve(ack);
        },
      );
    });
  } finally {
    client.close();
  }
}

/**
 * How long the worker will count as heard if nothing more comes of it; not above 0: it does not now. Not by `is_active` alone,
 * which keeps its value while the master cannot judge: the worker may wait to be told. One whose heartbeats come and are not
 * applied has been told, though it is not active.
 */
function stillHeardForMs({ isActive, state, cause, ageMs, intervalMs }: RowView): number {
  const isHeard = (isActive && state !== 'unknown') || cause === 'no_record';
  return isHeard ? suspectAfterMs(intervalMs) - ageMs + 1 : 0;
}
