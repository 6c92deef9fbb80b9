/**
 * The way to the master, through all its states:
 *
 * | state       | means                                              | left when                                          |
 * |-------------|----------------------------------------------------|----------------------------------------------------|
 * | waiting     | no master is known                                 | one is told → connecting                           |
 * | connecting  | a new channel registers the worker, first with     | taken → streaming, or unary if the master knows no |
 * |             | TelemetryService, else with cluster.MasterWorker   | streams; refused or unreachable → backing-off;     |
 * |             |                                                    | refused for what it says of itself → streaming     |
 * | streaming   | heartbeats go out on one stream                    | the stream ends or goes dead, or the master says   |
 * |             |                                                    | that it takes a later instance, or that this one   |
 * |             |                                                    | speaks for another worker → backing-off; with      |
 * |             |                                                    | several masters also when it is not admitted       |
 * | unary       | heartbeats go out as single calls                  | a call fails or is not taken → backing-off         |
 * | backing-off | no channel; a timer runs                           | it is over → connecting to the master whose turn   |
 * |             |                                                    | it then is                                         |
 * | stopped     | for good                                           | never                                              |
 *
 * Whose turn it is, and for how long to back off, says `master-rotation.ts`: less than an interval before the next master of the
 * list, longer when all of them have failed, 60 s before one that takes a later instance of this worker, or does not
 * believe that this is that worker.
 *
 * Being told other masters leaves every state but `stopped` for connecting, or for backing-off while the first of them
 * is to be left alone. There is a channel in connecting, streaming and unary, a sender in streaming and unary. Each
 * attempt has a channel of its own, so that nothing of a failed one (its back-off, what it had in hand) reaches the
 * next, be it to the same master or to another.
 */
import { type Address, formatAddress, isLoopback } from '../../config/kinds.ts';
import {
  type Heartbeat,
  type Refusal,
  RefusalCode,
  type RegisterResponse,
  TelemetryService,
  type WorkerInfo,
} from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { DEFAULT_LIMITS, type HeartbeatLimits } from '../../model/heartbeat-limits.ts';
import type { Report } from '../report.ts';
import { boundedInterval } from '../settings.ts';
import { Acceptance } from './acceptance.ts';
import { Channel, callUnary, isInvalidArgument, isUnimplemented, methodOf, reasonOf } from './channel.ts';
import { ConnectionLog } from './connection-log.ts';
import type { CredentialSettings } from './credentials.ts';
import { disconnectReasonOf, RefusedInBand } from './disconnect-reason.ts';
import {
  afterAccepted,
  afterDisconnect,
  type MasterRotation,
  masterOf,
  masterRotationOf,
  quietForMs,
} from './master-rotation.ts';
import type { Sender, SenderEvents } from './sender.ts';
import { StreamSender } from './stream-sender.ts';
import { registerUnary, UnarySender } from './unary-sender.ts';

export type ConnectionState = 'waiting' | 'connecting' | 'streaming' | 'unary' | 'backing-off' | 'stopped';

/** Registration may take this long: a master that does not answer is tried anew. */
const REGISTER_WITHIN_MS = 5_000;
const REGISTER = methodOf<WorkerInfo, RegisterResponse>(TelemetryService, 'Register');

export interface ConnectionOptions {
  readonly workerId: string;
  /** By which the master is known, and this worker. */
  readonly access: CredentialSettings;
  readonly clock: Clock;
  readonly report: Report;
  /** From 0 up to 1; the jitter of the back-off. */
  readonly random?: () => number;
  /** What to announce to this master. Must not reject. */
  readonly registration: (master: Address) => Promise<WorkerInfo>;
  /** How often heartbeats go out where no master says otherwise. */
  readonly ownIntervalMs: number;
  /** How often heartbeats go out now. */
  readonly intervalMs: () => number;
  /** The master wants another interval, within bounds. */
  readonly onInterval: (intervalMs: number) => void;
  /** What the master takes of a heartbeat. */
  readonly onLimits: (limits: HeartbeatLimits, master: string) => void;
  /** A heartbeat can go out, and should at once. */
  readonly onConnected: () => void;
  /** The master has taken all heartbeats up to this one, as far as it can say: a rejection may follow. */
  readonly onAccepted: (sequence: number) => void;
  /** The master has not taken this heartbeat, or not its values. */
  readonly onRefused: (sequence: number) => void;
}

/** One try to reach one master, with all that belongs to it. */
interface Attempt {
  readonly master: Address;
  /** Undefined if what it needs could not be read. */
  channel: Channel | undefined;
  readonly abort: AbortController;
  sender: Sender | undefined;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #random: () => number;
  readonly #acceptance: Acceptance;
  readonly #log: ConnectionLog;
  #state: ConnectionState = 'waiting';
  /** Undefined in waiting alone. */
  #rotation: MasterRotation | undefined;
  #attempt: Attempt | undefined;
  #backOff: Timer | undefined;
  #lastRoundTripMs = 0;
  #hasWarned = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#acceptance = new Acceptance(options.clock, options.report);
    this.#log = new ConnectionLog(options.workerId, options.report);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The one in use, or to be tried next. */
  get master(): Address | undefined {
    return this.#rotation && masterOf(this.#rotation);
  }

  /** Of the newest answered heartbeat; 0 before the first. */
  get lastRoundTripMs(): number {
    return this.#lastRoundTripMs;
  }

  /** Takes these masters, at least one, in place of those of before. The same ones again change nothing. */
  pointAt(masters: readonly Address[]): void {
    if (this.#state === 'stopped') return;
    if (this.#rotation !== undefined && listText(this.#rotation.masters) === listText(masters)) return;
    const rotation = masterRotationOf(masters, this.#rotation);
    this.#rotation = rotation;
    this.#log.pointed();
    this.#letGo();
    const quietMs = quietForMs(rotation, this.#options.clock.monotonicMs());
    if (quietMs > 0) this.#backOffFor(quietMs);
    else this.#connect(masterOf(rotation));
  }

  /** Whether a heartbeat would be sent now; asked before anything is measured for it. */
  canSend(): boolean {
    return this.#attempt?.sender !== undefined && !this.#acceptance.mustWait();
  }

  /** Whether heartbeats tell ended tasks the way they go out now. */
  get tellsEndedTasks(): boolean {
    return this.#attempt?.sender?.tellsEndedTasks === true;
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

  #connect(master: Address): void {
    this.#setState('connecting');
    const attempt: Attempt = {
      master,
      channel: undefined,
      abort: new AbortController(),
      sender: undefined,
    };
    this.#attempt = attempt;
    this.#register(attempt).then(
      ({ kind, channel }) => this.#connected(attempt, kind, channel),
      (error: unknown) => this.#lost(attempt, error),
    );
  }

  async #register(attempt: Attempt): Promise<{ kind: 'streaming' | 'unary'; channel: Channel }> {
    const { clock, registration, access, onLimits } = this.#options;
    const { master, abort } = attempt;
    const channel = new Channel(master, access);
    attempt.channel = channel;
    this.#warnOfPlainToken(master, channel);
    const info = await registration(master);
    abort.signal.throwIfAborted();
    const options = { clock, timeoutMs: REGISTER_WITHIN_MS, signal: abort.signal };
    try {
      const answer = await callUnary(channel, REGISTER, info, options);
      this.#obey(answer.nextIntervalMs);
      this.#log.described(master);
      onLimits(limitsOf(answer), formatAddress(master));
      return { kind: 'streaming', channel };
    } catch (error) {
      if (isInvalidArgument(error)) {
        // What it says of itself does not fit there. Heartbeats may: better a worker without labels than none.
        this.#log.notDescribed(reasonOf(error), master);
        onLimits(DEFAULT_LIMITS, formatAddress(master));
        return { kind: 'streaming', channel };
      }
      if (!isUnimplemented(error)) throw error;
    }
    await registerUnary(channel, info, options);
    onLimits(DEFAULT_LIMITS, formatAddress(master));
    return { kind: 'unary', channel };
  }

  /** Once: it is a decision of people, which they may have made. */
  #warnOfPlainToken({ host }: Address, { hasToken }: Channel): void {
    const { access, report } = this.#options;
    if (this.#hasWarned || !hasToken || access.tls !== undefined || isLoopback(host)) return;
    this.#hasWarned = true;
    report(
      'warn',
      `the token of this worker goes to ${host} without encryption: everybody on the way can read it (--tls)`,
    );
  }

  #connected(attempt: Attempt, kind: 'streaming' | 'unary', channel: Channel): void {
    if (this.#attempt !== attempt || this.#state !== 'connecting') return;
    const { workerId, clock, intervalMs, ownIntervalMs, onConnected } = this.#options;
    const { master } = attempt;
    const events = this.#eventsOf(attempt);
    attempt.sender =
      kind === 'streaming'
        ? new StreamSender({ channel, clock, workerId, events })
        : new UnarySender({ channel, clock, intervalMs, events });
    this.#setState(kind);
    // It tells no interval, and judges by its own timeout: not by what another master asked for.
    if (kind === 'unary') this.#obey(ownIntervalMs);
    this.#acceptance.reconnected(formatAddress(master));
    this.#log.connected(master, kind, intervalMs());
    onConnected();
  }

  #eventsOf(attempt: Attempt): SenderEvents {
    return {
      onAccepted: (sequence, roundTripMs) => {
        if (this.#attempt !== attempt) return;
        // Only now: a master that registers workers and takes no heartbeat must not be tried ever faster.
        if (this.#rotation !== undefined) this.#rotation = afterAccepted(this.#rotation);
        this.#log.accepted(attempt.master);
        this.#lastRoundTripMs = roundTripMs ?? this.#lastRoundTripMs;
        this.#acceptance.accepted(sequence);
        this.#options.onAccepted(sequence);
      },
      onRefused: (refusal) => {
        if (this.#attempt !== attempt) return;
        if (this.#endsUse(refusal)) this.#lost(attempt, new RefusedInBand(refusal));
        else this.#refused(refusal);
      },
      onInterval: (askedMs) => {
        if (this.#attempt === attempt) this.#obey(askedMs);
      },
      onLost: (cause) => this.#lost(attempt, cause),
    };
  }

  #refused(refusal: Refusal): void {
    this.#acceptance.refused(refusal);
    // 0: the master cannot say which one.
    this.#options.onRefused(Number(refusal.sequence) || Number.POSITIVE_INFINITY);
  }

  #obey(askedMs: number): void {
    const intervalMs = boundedInterval(askedMs);
    if (intervalMs !== undefined && intervalMs !== this.#options.intervalMs()) this.#options.onInterval(intervalMs);
  }

  #lost(attempt: Attempt, cause: unknown): void {
    if (this.#attempt !== attempt || this.#state === 'stopped' || this.#rotation === undefined) return;
    this.#letGo();
    const { clock, intervalMs } = this.#options;
    const reason = disconnectReasonOf(cause);
    const { rotation, delayMs } = afterDisconnect(this.#rotation, {
      nowMs: clock.monotonicMs(),
      quietMs: reason.quietMs,
      intervalMs: intervalMs(),
      random: this.#random(),
    });
    this.#rotation = rotation;
    this.#log.lost(reason, attempt.master, masterOf(rotation));
    this.#backOffFor(delayMs);
  }

  #backOffFor(delayMs: number): void {
    this.#setState('backing-off');
    this.#backOff = this.#options.clock.after(delayMs, () => {
      if (this.#rotation !== undefined) this.#connect(masterOf(this.#rotation));
    });
  }

  /** Other refusals leave the stream alone: what comes next may well be taken, and by this master only. */
  #endsUse({ code }: Refusal): boolean {
    if (code === RefusalCode.FAILED_PRECONDITION || code === RefusalCode.PERMISSION_DENIED) return true;
    return code === RefusalCode.NOT_ADMITTED && (this.#rotation?.masters.length ?? 0) > 1;
  }

  #letGo(): void {
    this.#backOff?.cancel();
    this.#backOff = undefined;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.abort.abort();
    attempt?.sender?.close();
    attempt?.channel?.close();
  }

  #setState(state: ConnectionState): void {
    if (this.#state === 'stopped') throw new Error(`a stopped connection cannot be ${state}`);
    this.#state = state;
  }
}

/** An earlier master does not say. More than the agent composes is no news. */
function limitsOf({ maxMessageBytes, maxRecordBytes }: RegisterResponse): HeartbeatLimits {
  return {
    messageBytes: Math.min(maxMessageBytes || Number.POSITIVE_INFINITY, DEFAULT_LIMITS.messageBytes),
    recordBytes: Math.min(maxRecordBytes || Number.POSITIVE_INFINITY, DEFAULT_LIMITS.recordBytes),
  };
}

function listText(masters: readonly Address[]): string {
  return masters.map(formatAddress).join(',');
}
