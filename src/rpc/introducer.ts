/**
 * Introduces this master to workers that wait for it (`cluster.MasterWorker/MasterRegister`): at once when an operator
 * gives an address, and again with back-off while that worker is not active. A worker of the seed sends nothing until it
 * has been told, and forgets after a reboot.
 */
import { hostname } from 'node:os';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { type Address, peerAddress } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { MasterInfoSchema, MasterWorker, type RegisterAck } from '../gen/cluster/master_worker_pb.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { grpcServiceOf } from '../lib/grpc-adapter.ts';
import { localAddressTowards } from '../lib/local-address.ts';
import type { Logger } from '../lib/logging.ts';
import { suspectAfterMs } from '../model/liveness.ts';
import type { RowView } from '../store/board.ts';
import { advertisedAddress } from './advertise.ts';

export interface MasterIntroducerOptions {
  readonly manager: TelemetryManager;
  readonly advertiseAddress: Address | undefined;
  /** Where the gRPC server is bound. */
  readonly boundAddress: Address;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Introduction =
  | { readonly accepted: true; readonly advertised: string }
  | { readonly accepted: false; readonly reason: string };

interface Attempt {
  /** 0 while one is under way: it sets the next itself. */
  nextMs: number;
  delayMs: number;
  /** Logged once per change, not once per try. */
  lastReason: string | undefined;
}

/** The seed tries every 5 s; we slow down to 30 s, so that a rack that is off costs little. */
const FIRST_DELAY_MS = 5000;
const LONGEST_DELAY_MS = 30_000;
const BACK_OFF_FACTOR = 1.5;
const LOOK_EVERY_MS = 500;
/** A worker that is there answers within milliseconds. */
const CALL_TIMEOUT_MS = 3000;
/** Calls under way at a time: each is a connection. */
const MAX_CALLS = 32;

const MASTER_REGISTER = grpcServiceOf(MasterWorker).MasterRegister as MethodDefinition<unknown, RegisterAck>;

export class MasterIntroducer {
  readonly #options: MasterIntroducerOptions;
  readonly #attempts = new Map<string, Attempt>();
  #timer: Timer | undefined;
  #calls = 0;

  constructor(options: MasterIntroducerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Introduces this master to a worker whose address is known. Never rejects: the outcome says what happened. */
  async introduceNow(workerId: string): Promise<Introduction> {
    const attempt = this.#attempts.get(workerId) ?? { nextMs: 0, delayMs: FIRST_DELAY_MS, lastReason: undefined };
    this.#attempts.set(workerId, attempt);
    attempt.nextMs = Number.POSITIVE_INFINITY;
    this.#calls++;
    const outcome = await this.#call(this.#options.manager.members.addressOf(workerId));
    this.#calls--;
    attempt.nextMs = this.#options.clock.monotonicMs() + attempt.delayMs;
    attempt.delayMs = Math.min(LONGEST_DELAY_MS, attempt.delayMs * BACK_OFF_FACTOR);
    this.#log(workerId, attempt, outcome);
    return outcome;
  }

  #look(): void {
    const { manager, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const workerId of this.#attempts.keys()) {
      if (manager.members.addressOf(workerId) === undefined) this.#attempts.delete(workerId);
    }
    for (const { workerId, address } of manager.members.all()) {
      if (address === undefined || !manager.members.admits(workerId) || this.#calls >= MAX_CALLS) continue;
      const entry = manager.directory.get(workerId);
      if (entry !== undefined && isHeard(manager.directory.board.view(entry.row, nowMs)))
        this.#attempts.delete(workerId);
      else if ((this.#attempts.get(workerId)?.nextMs ?? 0) <= nowMs) void this.introduceNow(workerId);
    }
  }

  async #call(address: string | undefined): Promise<Introduction> {
    if (address === undefined) return { accepted: false, reason: 'no address is known' };
    try {
      const advertised = await this.#advertisedTo(peerAddress.parse(address));
      const ack = await masterRegister(address, advertised, this.#options.clock.wallMs() + CALL_TIMEOUT_MS);
      if (ack.success) return { accepted: true, advertised };
      return { accepted: false, reason: ack.message === '' ? 'the worker refused' : ack.message };
    } catch (error) {
      return { accepted: false, reason: messageOf(error) };
    }
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

/** One call on a connection of its own: workers are many and called seldom. */
async function masterRegister(address: string, masterAddress: string, deadlineUnixMs: number): Promise<RegisterAck> {
  const client = new Client(address, credentials.createInsecure());
  try {
    return await new Promise<RegisterAck>((resolve, reject) => {
      client.makeUnaryRequest(
        MASTER_REGISTER.path,
        MASTER_REGISTER.requestSerialize,
        MASTER_REGISTER.responseDeserialize,
        create(MasterInfoSchema, { masterId: hostname(), masterAddress }),
        { deadline: deadlineUnixMs },
        (error: ServiceError | null, ack?: RegisterAck) => {
          if (error !== null) reject(new Error(error.details || error.message));
          else if (ack === undefined) reject(new Error('the worker answered nothing'));
          else resolve(ack);
        },
      );
    });
  } finally {
    client.close();
  }
}

/** Not by `is_active` alone, which keeps its value while the master cannot judge: the worker may wait to be told. */
function isHeard({ isActive, state, ageMs, intervalMs }: RowView): boolean {
  return isActive && state !== 'unknown' && ageMs <= suspectAfterMs(intervalMs);
}
