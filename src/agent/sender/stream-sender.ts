/** Heartbeats on one bidirectional stream of `TelemetryService`. */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  type Heartbeat,
  type StreamHeartbeatsResponse,
  TelemetryService,
} from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { type Channel, methodOf } from './channel.ts';
import { RoundTrips } from './round-trips.ts';
import type { Sender, SenderEvents } from './sender.ts';

/**
 * How long a heartbeat may stay unanswered before the stream counts as dead. Acks come every few seconds; with the
 * 10 s of back-off at most, a master behind a cut line is tried anew before the worker counts as inactive (30 s).
 */
export const ANSWER_WITHIN_MS = 20_000;
/** Of the 3 s that stopping an agent may take. */
const FAREWELL_WITHIN_MS = 2_000;

const STREAM = methodOf<Heartbeat, StreamHeartbeatsResponse>(TelemetryService, 'StreamHeartbeats');

export interface StreamSenderOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly workerId: string;
  readonly events: SenderEvents;
}

export class StreamSender implements Sender {
  readonly tellsEndedTasks = true;
  readonly #clock: Clock;
  readonly #workerId: string;
  readonly #events: SenderEvents;
  readonly #call: ClientDuplexStream<Heartbeat, StreamHeartbeatsResponse>;
  readonly #roundTrips = new RoundTrips();
  readonly #ended = Promise.withResolvers<void>();
  #answerTimer: Timer | undefined;
  /** A heartbeat was written to the stream and has not left it: the connection is slower than the interval. */
  #leaving = false;
  #isClosed = false;

  constructor({ channel, clock, workerId, events }: StreamSenderOptions) {
    this.#clock = clock;
    this.#workerId = workerId;
    this.#events = events;
    const { path, requestSerialize, responseDeserialize } = STREAM;
    this.#call = channel.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, channel.metadata());
    this.#call.on('data', (response: StreamHeartbeatsResponse) => this.#answered(response));
    // Always followed by `status` with the same cause; without a listener it would be an uncaught exception.
    this.#call.on('error', () => {});
    this.#call.on('status', (status) => this.#lose(status));
  }

  send(heartbeat: Heartbeat): boolean {
    if (this.#leaving || this.#isClosed) return false;
    this.#leaving = true;
    this.#roundTrips.sent(Number(heartbeat.sequence), this.#clock.monotonicMs());
    this.#call.write(heartbeat, () => {
      this.#leaving = false;
    });
    this.#watchAnswer();
    return true;
  }

  async farewell(heartbeat: Heartbeat): Promise<void> {
    if (this.#isClosed) return;
    this.#call.write(heartbeat);
    // The master answers outstanding heartbeats and ends its side: that ack need not be checked.
    this.#call.end();
    const timer = this.#clock.after(FAREWELL_WITHIN_MS, () => this.#ended.resolve());
    await this.#ended.promise;
    timer.cancel();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#answerTimer?.cancel();
    this.#call.cancel();
    this.#ended.resolve();
  }

  #answered(response: StreamHeartbeatsResponse): void {
    if (this.#isClosed) return;
    for (const refusal of response.refusals) {
      if (refusal.workerId !== this.#workerId) continue;
      // One that was heard is acknowledged as all others.
      if (!refusal.heard) this.#roundTrips.refused(Number(refusal.sequence));
      this.#events.onRefused(refusal);
    }
    for (const { workerId, acceptedSequence, heldMs } of response.acks) {
      if (workerId !== this.#workerId) continue;
      const sequence = Number(acceptedSequence);
      const roundTripMs = this.#roundTrips.answered(sequence, heldMs, this.#clock.monotonicMs());
      this.#events.onAccepted(sequence, roundTripMs);
    }
    if (response.nextIntervalMs > 0) this.#events.onInterval(response.nextIntervalMs);
    this.#answerTimer?.cancel();
    this.#answerTimer = undefined;
    this.#watchAnswer();
  }

  /** A cut connection gives no error: without this, heartbeats would be lost until TCP gives up. */
  #watchAnswer(): void {
    const oldestMs = this.#roundTrips.oldestSentAtMs();
    if (this.#answerTimer !== undefined || oldestMs === undefined || this.#isClosed) return;
    const leftMs = Math.max(0, oldestMs + ANSWER_WITHIN_MS - this.#clock.monotonicMs());
    this.#answerTimer = this.#clock.after(leftMs, () => {
      this.#lose(new Error(`no answer for ${ANSWER_WITHIN_MS / 1000} s`));
    });
  }

  #lose(cause: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.onLost(cause);
  }
}
