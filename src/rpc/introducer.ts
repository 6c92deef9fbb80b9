/**
 * Introduces this master to workers by `cluster.MasterWorker/MasterRegister`: at once when an operator gives an address, then
 * again with back-off while that worker is inactive. A worker of the earlier Go system sends nothing until it is called,
 * and forgets the master when it reboots.
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
  /** The address the gRPC server is bound to. */
  readonly boundAddress: Address;
  /** For workers that serve TLS. */
  readonly tls?: ClientPems;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Introduction =
  | { readonly accepted: true; readonly advertised: string }
  | { readonly accepted: false; readonly reason: string };

interface Attempt {
  delayMs: number;
  /** Only a changed reason is logged, not every attempt. */
  lastReason: string | undefined;
}

/** The earlier system tries every 5 s. We back off to 30 s, so that a rack that is switched off costs little. */
const FIRST_DELAY_MS = 5000;
const LONGEST_DELAY_MS = 30_000;
const BACK_OFF_FACTOR = 1.5;
const LOOK_EVERY_MS = 500;
/** A worker that is up answers within milliseconds. */
const CALL_TIMEOUT_MS = 3000;
/** Workers checked in one turn: takes a few ms, and keeps up with 20,000 active workers. */
const MAX_LOOKS = 1000;
/** Limits the part of a worker's answer that is shown; the answer may be as large as a gRPC message. */
const MAX_REASON_LENGTH = 300;
/** Concurrent calls; each uses a connection. */
const MAX_CALLS = 32;

const MASTER_REGISTER = grpcServiceOf(MasterWorker).MasterRegister as MethodDefinition<unknown, RegisterAck>;

export class MasterIntroducer {
  readonly #options: MasterIntroducerOptions;
  readonly #attempts = new Map<string, Attempt>();
  /**
   * Workers with an address, by when to check them next: an inactive one when its next call is due, an active one when it
   * would become inactive. So active workers cost one check every few seconds.
   */
  readonly #due = new DueQueue();
  #tls: ClientPems;
  #timer: Timer | undefined;
  #calls = 0;

  constructor(options: MasterIntroducerOptions) {
    this.#options = options;
    this.#tls = options.tls ?? { ca: undefined, cert: undefined, key: undefined };
  }

  /** Sets the TLS material of later calls; omitted members stay as they are. */
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

  /** Introduces this master to a worker with a known address. Never rejects; failures are in the result. */
  async introduceNow(workerId: string): Promise<Introduction> {
    const attempt = this.#attempts.get(workerId) ?? { delayMs: FIRST_DELAY_MS, lastReason: undefined };
    this.#attempts.set(workerId, attempt);
    // Set again below, after the call.
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
    // Forgotten or not admitted. If that changes, onAddress is called.
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

  /** Uses a connection of its own: there are many workers, and each is called rarely. */
  #clientOf(peer: WorkerAddress): Client {
    const target = formatAddress(peer);
    // A connection of the process-wide pool would keep using old certificates.
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
    if (outcome.accepted) this.#options.logger.info({ worker: workerId }, 'introduced this master to the worker');
    else this.#options.logger.warn({ worker: workerId, reason }, 'cannot introduce this master to the worker');
  }
}

/**
 * Explains a failed call in plain words. The same cause always gives the same text, so that it is logged once.
 * @param error a ServiceError, or an error from before the call
 */
export function failureText(error: unknown, workerId: string): string {
  const { code, details } = error as Partial<ServiceError>;
  // Not a gRPC error: codes of Node and of Pulselane are strings.
  if (typeof code !== 'number') return messageOf(error);
  if (code !== status.UNAVAILABLE) return details || messageOf(error);
  const cause = connectionCause(details ?? '');
  const refused = /ECONNREFUSED (\S+)/.exec(cause);
  if (refused !== null) return `nothing listens on that port (ECONNREFUSED ${refused[1]})`;
  if (NO_TLS_THERE.test(cause)) return `the worker does not use TLS; try register ${workerId} <ip:port>`;
  if (cause === 'Failed to connect') {
    const what = 'the worker closed the connection before the call; does it use TLS';
    return `${what} (register ${workerId} tls://<ip:port>)?`;
  }
  if (cause === 'Protocol error') return 'the port does not serve gRPC';
  return cause === '' ? messageOf(error) : cause;
}

/** Makes a remote text safe to print: one line, of bounded length. */
function toldByWorker(text: string): string {
  return printable(shortText(text, MAX_REASON_LENGTH));
}

/** Makes one call and closes the client. */
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
          else if (ack === undefined) reject(new Error('the worker sent an empty answer'));
          else resolve(ack);
        },
      );
    });
  } finally {
    client.close();
  }
}

/**
 * For how many ms the worker still counts as reporting if no heartbeat comes; 0 or less if it already does not. `is_active`
 * alone does not suffice: it keeps its value while the master cannot judge, when the worker may be waiting for a call.
 * A worker whose heartbeats arrive but cannot be applied knows the master, although it is inactive.
 */
function stillHeardForMs({ isActive, state, cause, ageMs, intervalMs }: RowView): number {
  const isHeard = (isActive && state !== 'unknown') || cause === 'no_record';
  return isHeard ? suspectAfterMs(intervalMs) - ageMs + 1 : 0;
}
