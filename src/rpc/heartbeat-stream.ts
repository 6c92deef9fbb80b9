/**
 * One stream of heartbeats, of one or several workers. Acks and refusals are collected and sent together: every few seconds, or
 * at the end of the turn if they are urgent (the stream's first heartbeat, a refusal). Nothing is written to a client that does
 * not read: acks are cumulative and wait as one entry per worker (pending-acks.ts), and refusals are bounded. Only one message
 * is being written at a time, because a stream buffers sixteen messages of any size before it signals backpressure.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { RejectedOnArrival } from '../engine/rejected-on-arrival.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { UntoldRejection, UntoldRejections } from '../engine/untold-rejections.ts';
import {
  type RefusalSchema,
  type StreamHeartbeatsResponse,
  StreamHeartbeatsResponseSchema,
} from '../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { type HeartbeatHead, scanHeartbeat } from '../model/heartbeat-scan.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { type AckRoom, PendingAcks } from './pending-acks.ts';
import { refusalCodeOf, refusalCodeOfRejection, serviceErrorOf } from './status.ts';

export interface HeartbeatStreamOptions {
  readonly call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>;
  /** The caller who opened the stream. */
  readonly caller: Caller;
  readonly guard: Pick<CallGuard, 'heartbeatRefusal' | 'mustSpeakFor' | 'renewed'>;
  readonly manager: Pick<TelemetryManager, 'intake' | 'hungUp' | 'intervalToTell' | 'countRefused'> & {
    readonly untoldRejections: Pick<UntoldRejections, 'take'>;
  };
  /** Shared by all streams. */
  readonly ackRoom: AckRoom;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The stream is over. */
  readonly onClosed: () => void;
}

/** Refusals kept for a client that does not read; it learns enough from this many. */
const MAX_PENDING_REFUSALS = 100;
/** Reasons take up to a kilobyte each where all of them is escaped. */
const MAX_REJECTIONS_PER_MESSAGE = 100;
/** Workers in one ack: keeps each message well below the 4 MiB that clients accept by default. */
const MAX_ACKS_PER_MESSAGE = 5000;

export class HeartbeatStream {
  readonly #options: HeartbeatStreamOptions;
  readonly #acks: PendingAcks;
  /** Fixed for the life of the stream, so that its interval does not change with every ack. */
  readonly #jitter = Math.random();
  #caller: Caller;
  readonly #workerIds = new Set<string>();
  readonly #refusals: MessageInitShape<typeof RefusalSchema>[] = [];
  /** Workers of this stream whose rejection has not been sent yet; the engine keeps the reason. */
  readonly #rejected = new Set<string>();
  /** Rejections in the message that is being written. */
  #beingTold: UntoldRejection[] = [];
  #hasReceived = false;
  #flushScheduled = false;
  /** A message was written, and the connection has not accepted it yet. */
  #isUnderWay = false;
  /** Pending acks and refusals are sent as soon as the present message is written. */
  #isDue = false;
  /** Ends the stream once everything pending is written. */
  #end: (() => void) | undefined;
  #closed = false;

  constructor(options: HeartbeatStreamOptions) {
    this.#options = options;
    this.#caller = options.caller;
    this.#acks = new PendingAcks(options.ackRoom);
    const { call } = options;
    call.on('data', (bytes: Buffer) => this.#receive(bytes));
    call.on('end', () => {
      this.#hungUp();
      this.close();
    });
    call.on('cancelled', () => {
      this.#hungUp();
      this.#ended();
      for (const rejection of this.#beingTold.splice(0)) rejection.giveBack();
    });
    call.on('error', () => this.#ended());
  }

  /** The worker was forgotten. A stream may carry any number of workers that come and go, so only known ones are kept. */
  forget(workerId: string): void {
    this.#workerIds.delete(workerId);
    this.#rejected.delete(workerId);
    this.#acks.forget(workerId);
  }

  /** The worker now reports by another stream or by none. This stream still acks the heartbeats it accepted. */
  left(workerId: string): void {
    this.#workerIds.delete(workerId);
    this.#rejected.delete(workerId);
  }

  /** Sent with the next acks, so that a worker with many rejections gets one notice and does not delay others. */
  rejected(workerId: string): void {
    if (!this.#closed) this.#rejected.add(workerId);
  }

  /** Sends what is pending, or does so as soon as the client has taken the previous message. */
  flush(): void {
    this.#flushScheduled = false;
    if (this.#closed || !this.#hasPending) return;
    if (this.#isUnderWay) {
      this.#isDue = true;
      return;
    }
    const { call, manager, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const acks = this.#acks.take(MAX_ACKS_PER_MESSAGE).map(({ workerId, sequence, receivedMs }) => {
      return { workerId, acceptedSequence: BigInt(sequence), heldMs: nowMs - receivedMs };
    });
    const refusals = [...this.#refusals.splice(0), ...this.#takeRejections()];
    if (acks.length === 0 && refusals.length === 0) return;
    const response = create(StreamHeartbeatsResponseSchema, {
      acks,
      refusals,
      nextIntervalMs: manager.intervalToTell(this.#jitter),
      serverTimeUnixMs: BigInt(Math.round(clock.wallMs())),
    });
    this.#setUnderWay(true);
    this.#isDue = this.#acks.size > 0 || this.#rejected.size > 0;
    call.write(response, (error: unknown) => {
      if (error == null) this.#taken();
    });
  }

  /**
   * The tokens changed, or one expired: applies the token's present grant, or ends the stream if it has none.
   * @returns whether the stream continues
   */
  renew(): boolean {
    try {
      this.#caller = this.#options.guard.renewed(this.#caller);
      return true;
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      this.fail(error);
      return false;
    }
  }

  /** Ends the stream from this side after sending what is pending. */
  close(): void {
    this.#endWith(() => this.#options.call.end());
  }

  /** Ends the stream with an error after sending what is pending. */
  fail(error: PulselaneError): void {
    this.#endWith(() => this.#options.call.emit('error', serviceErrorOf(error)));
  }

  get #hasPending(): boolean {
    return this.#acks.size > 0 || this.#refusals.length > 0 || this.#rejected.size > 0;
  }

  #endWith(end: () => void): void {
    if (this.#closed || this.#end !== undefined) return;
    this.#end = end;
    this.#goOn();
  }

  /** The connection has accepted the message. */
  #taken(): void {
    this.#beingTold = [];
    if (this.#closed) return;
    this.#setUnderWay(false);
    if (this.#isDue || this.#end !== undefined) this.#goOn();
  }

  #goOn(): void {
    this.flush();
    if (this.#closed || this.#end === undefined || this.#hasPending) return;
    this.#end();
    this.#ended();
  }

  #receive(bytes: Buffer): void {
    if (this.#closed || this.#end !== undefined) return;
    const { guard, clock } = this.#options;
    let head: HeartbeatHead | undefined;
    try {
      const refused = guard.heartbeatRefusal(this.#caller);
      head = scanHeartbeat(bytes);
      if (refused !== undefined) throw refused;
      const { workerId, sequence } = head;
      guard.mustSpeakFor(this.#caller, workerId);
      this.#accept(bytes, head);
      if (!this.#workerIds.has(workerId)) {
        this.#workerIds.add(workerId);
        // It may have been rejected before it came by this stream.
        this.#rejected.add(workerId);
      }
      this.#acks.add({ workerId, sequence, receivedMs: clock.monotonicMs() });
      if (!this.#hasReceived) this.#flushSoon();
      this.#hasReceived = true;
    } catch (error) {
      this.#options.manager.countRefused(error);
      this.#refuse(head, error);
    }
  }

  /** One that is rejected on arrival was heard, so it is acknowledged as all others. */
  #accept(bytes: Buffer, head: HeartbeatHead): void {
    try {
      this.#options.manager.intake.accept(bytes, head, 'grpc_stream', this);
    } catch (error) {
      if (!(error instanceof RejectedOnArrival)) throw error;
      this.#refuse(head, error);
    }
  }

  /** @param head undefined if the heartbeat was too malformed to scan */
  #refuse(head: HeartbeatHead | undefined, error: unknown): void {
    const { call, logger } = this.#options;
    if (!(error instanceof PulselaneError)) {
      logger.error({ err: error }, 'a heartbeat stream failed');
      call.emit('error', serviceErrorOf(error));
      return;
    }
    if (this.#refusals.length < MAX_PENDING_REFUSALS) {
      this.#refusals.push({
        workerId: head?.workerId ?? '',
        sequence: BigInt(head?.sequence ?? 0),
        code: refusalCodeOf(error),
        reason: messageOf(error),
        retryAfterMs: error.retryAfterMs ?? 0,
        heard: error instanceof RejectedOnArrival,
      });
    }
    this.#flushSoon();
  }

  #takeRejections(): MessageInitShape<typeof RefusalSchema>[] {
    const taken: MessageInitShape<typeof RefusalSchema>[] = [];
    for (const workerId of this.#rejected) {
      if (taken.length === MAX_REJECTIONS_PER_MESSAGE) break;
      this.#rejected.delete(workerId);
      const rejection = this.#options.manager.untoldRejections.take(workerId);
      if (rejection === undefined) continue;
      this.#beingTold.push(rejection);
      const { cause, reason, sequence, count } = rejection;
      taken.push({
        workerId,
        sequence: BigInt(sequence),
        code: refusalCodeOfRejection(cause),
        reason,
        heard: true,
        count,
      });
    }
    return taken;
  }

  #flushSoon(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.flush());
  }

  #setUnderWay(isUnderWay: boolean): void {
    this.#isUnderWay = isUnderWay;
    this.#acks.setReads(!isUnderWay);
  }

  #hungUp(): void {
    if (!this.#closed && this.#end === undefined) this.#options.manager.hungUp(this.#workerIds, this);
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#acks.clear();
    this.#rejected.clear();
    this.#options.onClosed();
  }
}
