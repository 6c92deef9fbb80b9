/**
 * One stream of heartbeats, of one worker or of several. What the client must hear is collected and sent together: every
 * few seconds, or at the end of this turn when it cannot wait (the stream's first heartbeat, a refusal). A client that
 * does not read is not written to: acks are cumulative and wait as one entry per worker (pending-acks.ts), refusals are
 * bounded. So that nothing waits anywhere else, one message is under way at a time: a stream by itself would take sixteen of
 * any size before it says that its client does not read.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
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
import { refusalCodeOf, serviceErrorOf } from './status.ts';

export interface HeartbeatStreamOptions {
  readonly call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>;
  /** Who opened it. */
  readonly caller: Caller;
  readonly guard: Pick<CallGuard, 'heartbeatRefusal' | 'mustSpeakFor' | 'renewed'>;
  readonly manager: Pick<TelemetryManager, 'intake' | 'hungUp' | 'intervalToTell'>;
  /** Shared by all streams. */
  readonly ackRoom: AckRoom;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The stream is over. */
  readonly onClosed: () => void;
}

/** Refusals that wait for a client which does not read; a client that is told this many has its answer. */
const MAX_PENDING_REFUSALS = 100;
/** Workers in one ack: keeps each message well below the 4 MiB that clients accept by default. */
const MAX_ACKS_PER_MESSAGE = 5000;

export class HeartbeatStream {
  readonly #options: HeartbeatStreamOptions;
  readonly #acks: PendingAcks;
  /** One for the life of the stream: an interval that changed with each ack would be no interval. */
  readonly #jitter = Math.random();
  #caller: Caller;
  readonly #workerIds = new Set<string>();
  readonly #refusals: MessageInitShape<typeof RefusalSchema>[] = [];
  #hasReceived = false;
  #flushScheduled = false;
  /** A message was written, and the connection has not taken it yet. */
  #isUnderWay = false;
  /** What is pending is to follow the message under way. */
  #isDue = false;
  /** What ends the stream, once what is pending is written. */
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
    });
    call.on('error', () => this.#ended());
  }

  /** One stream may carry any number of workers that come and go: only those that are known are remembered. */
  forget(workerId: string): void {
    this.#workerIds.delete(workerId);
    this.#acks.forget(workerId);
  }

  /** It came by another stream, or by none: this one does not speak for it any more. What it accepted is still told. */
  left(workerId: string): void {
    this.#workerIds.delete(workerId);
  }

  /** Sends what is pending; once the client has taken what was sent before. */
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
    const response = create(StreamHeartbeatsResponseSchema, {
      acks,
      refusals: this.#refusals.splice(0),
      nextIntervalMs: manager.intervalToTell(this.#jitter),
      serverTimeUnixMs: BigInt(Math.round(clock.wallMs())),
    });
    this.#setUnderWay(true);
    this.#isDue = this.#acks.size > 0;
    call.write(response, () => this.#taken());
  }

  /**
   * Other tokens are in force: holds it to what its token allows now, or ends it if that is not known any more.
   * @returns whether it goes on
   */
  renew(): boolean {
    const renewed = this.#options.guard.renewed(this.#caller);
    if (renewed === undefined) {
      this.fail(new PulselaneError('unauthenticated', 'the token of this stream is not known to this master any more'));
      return false;
    }
    this.#caller = renewed;
    return true;
  }

  /** Sends what is pending and ends the stream from this side; once the client has taken what was sent before. */
  close(): void {
    this.#endWith(() => this.#options.call.end());
  }

  /** Ends the stream with an error, after what is pending. */
  fail(error: PulselaneError): void {
    this.#endWith(() => this.#options.call.emit('error', serviceErrorOf(error)));
  }

  get #hasPending(): boolean {
    return this.#acks.size > 0 || this.#refusals.length > 0;
  }

  #endWith(end: () => void): void {
    if (this.#closed || this.#end !== undefined) return;
    this.#end = end;
    this.#goOn();
  }

  /** The connection has the message that was under way. */
  #taken(): void {
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
    const { guard, manager, clock } = this.#options;
    let head: HeartbeatHead | undefined;
    try {
      const refused = guard.heartbeatRefusal(this.#caller);
      head = scanHeartbeat(bytes);
      if (refused !== undefined) throw refused;
      const { workerId, sequence } = head;
      guard.mustSpeakFor(this.#caller, workerId);
      manager.intake.accept(bytes, head, this);
      this.#workerIds.add(workerId);
      this.#acks.add({ workerId, sequence, receivedMs: clock.monotonicMs() });
      if (!this.#hasReceived) this.#flushSoon();
      this.#hasReceived = true;
    } catch (error) {
      this.#refuse(head, error);
    }
  }

  /** `head` is undefined if not even that could be read. */
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
      });
    }
    this.#flushSoon();
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
    this.#options.onClosed();
  }
}
