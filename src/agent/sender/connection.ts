/**
 * The way to the master, through all its states:
 *
 * | state       | means                                              | left when                                          |
 * |-------------|----------------------------------------------------|----------------------------------------------------|
 * | waiting     | no master is known                                 | one is told → connecting                           |
 * | connecting  | a new channel registers the worker, first with     | taken → streaming, or unary if the master knows no |
 * |             | TelemetryService, else with cluster.MasterWorker   | streams; refused or unreachable → backing-off      |
 * | streaming   | heartbeats go out on one stream                    | the stream ends or goes dead → backing-off         |
 * | unary       | heartbeats go out as single calls                  | a call fails or is not taken → backing-off         |
 * | backing-off | no channel; a timer runs                           | it is over → connecting                            |
 * | stopped     | for good                                           | never                                              |
 *
 * Being told another master leaves every state but `stopped` for connecting. There is a channel in connecting,
 * streaming and unary, a sender in streaming and unary. Each attempt has a channel of its own, so that nothing of a
 * failed one (its back-off, what it had in hand) reaches the next.
 */
import type { Client } from '@grpc/grpc-js';
import { type Address, formatAddress, formatDuration } from '../../config/kinds.ts';
import {
  type Heartbeat,
  type RegisterResponse,
  TelemetryService,
  type WorkerInfo,
} from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { backoffMs } from '../backoff.ts';
import type { Report } from '../report.ts';
import { boundedInterval } from '../settings.ts';
import { callUnary, isUnimplemented, methodOf, openChannel, reasonOf } from './channel.ts';
import type { Sender, SenderEvents } from './sender.ts';
import { Standing } from './standing.ts';
import { HeartbeatStream } from './stream.ts';
import { registerUnary, UnarySender } from './unary.ts';

export type ConnectionState = 'waiting' | 'connecting' | 'streaming' | 'unary' | 'backing-off' | 'stopped';

/** Registration may take this long: a master that does not answer is tried anew. */
const REGISTER_WITHIN_MS = 5_000;
/** Reasons told since the connection stood; one that brings a new text each time must not fill the log. */
const MAX_REASONS = 8;

const REGISTER = methodOf<WorkerInfo, RegisterResponse>(TelemetryService, 'Register');

export interface ConnectionOptions {
  readonly workerId: string;
  readonly clock: Clock;
  readonly report: Report;
  /** From 0 up to 1; the jitter of the back-off. */
  readonly random?: () => number;
  /** What to announce to this master. Must not reject. */
  readonly registration: (master: Address) => Promise<WorkerInfo>;
  /** How often heartbeats go out now. */
  readonly intervalMs: () => number;
  /** The master wants another interval, within bounds. */
  readonly onInterval: (intervalMs: number) => void;
  /** A heartbeat can go out, and should at once. */
  readonly onConnected: () => void;
}

/** One try to reach one master, with all that belongs to it. */
interface Attempt {
  readonly master: Address;
  readonly channel: Client;
  readonly abort: AbortController;
  sender: Sender | undefined;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #random: () => number;
  readonly #standing: Standing;
  #state: ConnectionState = 'waiting';
  #master: Address | undefined;
  #attempt: Attempt | undefined;
  #backOff: Timer | undefined;
  #failures = 0;
  readonly #reasonsTold = new Set<string>();
  #lastRoundTripMs = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#standing = new Standing(options.clock, options.report);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get master(): Address | undefined {
    return this.#master;
  }

  /** Of the newest answered heartbeat; 0 before the first. */
  get lastRoundTripMs(): number {
    return this.#lastRoundTripMs;
  }

  /** The same master again changes nothing. */
  pointAt(master: Address): void {
    if (this.#state === 'stopped') return;
    if (this.#master !== undefined && formatAddress(this.#master) === formatAddress(master)) return;
    this.#master = master;
    this.#failures = 0;
    this.#reasonsTold.clear();
    this.#letGo();
    this.#connect();
  }

  /** Whether a heartbeat would be sent now; asked before anything is measured for it. */
  canSend(): boolean {
    return this.#attempt?.sender !== undefined && !this.#standing.mustWait();
  }

  /** False if it was not sent; it is then as if it had never been made. */
  send(heartbeat: Heartbeat): boolean {
    return this.canSend() && this.#attempt?.sender?.send(heartbeat) === true;
  }

  /** Says farewell if a master listens, within a bounded time, and lets go of everything. */
  async stop(farewell?: Heartbeat): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#setState('stopped');
    const sender = this.#attempt?.sender;
    if (farewell !== undefined) await sender?.farewell(farewell);
    this.#letGo();
  }

  #connect(): void {
    const master = this.#master;
    if (master === undefined) return;
    this.#setState('connecting');
    const attempt: Attempt = {
      master,
      channel: openChannel(master),
      abort: new AbortController(),
      sender: undefined,
    };
    this.#attempt = attempt;
    this.#register(attempt).then(
      (kind) => this.#connected(attempt, kind),
      (error: unknown) => this.#lost(attempt, error),
    );
  }

  async #register({ master, channel, abort }: Attempt): Promise<'streaming' | 'unary'> {
    const { clock, registration } = this.#options;
    const info = await registration(master);
    abort.signal.throwIfAborted();
    const options = { clock, timeoutMs: REGISTER_WITHIN_MS, signal: abort.signal };
    try {
      const { nextIntervalMs } = await callUnary(channel, REGISTER, info, options);
      this.#obey(nextIntervalMs);
      return 'streaming';
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
    }
    await registerUnary(channel, info, options);
    return 'unary';
  }

  #connected(attempt: Attempt, kind: 'streaming' | 'unary'): void {
    if (this.#attempt !== attempt || this.#state !== 'connecting') return;
    const { workerId, clock, report, intervalMs, onConnected } = this.#options;
    const { channel, master } = attempt;
    const events = this.#eventsOf(attempt);
    attempt.sender =
      kind === 'streaming'
        ? new HeartbeatStream({ channel, clock, workerId, events })
        : new UnarySender({ channel, clock, intervalMs, events });
    this.#setState(kind);
    this.#standing.reconnected();
    this.#reasonsTold.clear();
    const way = kind === 'streaming' ? '' : ', one call per heartbeat';
    report('info', `reporting ${workerId} to ${formatAddress(master)} every ${formatDuration(intervalMs())}${way}`);
    onConnected();
  }

  #eventsOf(attempt: Attempt): SenderEvents {
    return {
      onAccepted: (sequence, roundTripMs) => {
        if (this.#attempt !== attempt) return;
        // Only now: a master that registers workers and takes no heartbeat must not be tried ever faster.
        this.#failures = 0;
        this.#lastRoundTripMs = roundTripMs ?? this.#lastRoundTripMs;
        this.#standing.accepted(sequence);
      },
      onRefused: (refusal) => {
        if (this.#attempt === attempt) this.#standing.refused(refusal);
      },
      onInterval: (askedMs) => {
        if (this.#attempt === attempt) this.#obey(askedMs);
      },
      onLost: (cause) => this.#lost(attempt, cause),
    };
  }

  #obey(askedMs: number): void {
    const intervalMs = boundedInterval(askedMs);
    if (intervalMs !== undefined && intervalMs !== this.#options.intervalMs()) this.#options.onInterval(intervalMs);
  }

  #lost(attempt: Attempt, cause: unknown): void {
    if (this.#attempt !== attempt || this.#state === 'stopped') return;
    this.#letGo();
    this.#failures += 1;
    this.#tell(reasonOf(cause));
    this.#setState('backing-off');
    const delayMs = backoffMs(this.#failures, this.#random());
    this.#backOff = this.#options.clock.after(delayMs, () => this.#connect());
  }

  /** One line per reason until the connection stands again, however often it is tried. */
  #tell(reason: string): void {
    if (this.#reasonsTold.has(reason) || this.#reasonsTold.size >= MAX_REASONS || this.#master === undefined) return;
    this.#reasonsTold.add(reason);
    const { report, workerId } = this.#options;
    report('warn', `cannot report ${workerId} to ${formatAddress(this.#master)} (${reason}); trying again`);
  }

  #letGo(): void {
    this.#backOff?.cancel();
    this.#backOff = undefined;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.abort.abort();
    attempt?.sender?.close();
    attempt?.channel.close();
  }

  #setState(state: ConnectionState): void {
    if (this.#state === 'stopped') throw new Error(`a stopped connection cannot be ${state}`);
    this.#state = state;
  }
}
