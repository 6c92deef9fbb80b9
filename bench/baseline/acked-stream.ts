import { create } from '@bufbuild/protobuf';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import {
  type StreamHeartbeatsResponse,
  StreamHeartbeatsResponseSchema,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';

/**
 * Like Pulselane: at once for the first heartbeat of a stream, then for all that arrived in this period; but for all
 * streams in one turn.
 */
const ACK_EVERY_MS = 3000;
const INTERVAL_MS = 5000;

/** Streams of heartbeats that are acked as often as by Pulselane. */
export class AckedStreams<Heartbeat> {
  readonly #onHeartbeat: (heartbeat: Heartbeat) => void;
  readonly #streams = new Set<AckedStream>();

  constructor(onHeartbeat: (heartbeat: Heartbeat) => void) {
    this.#onHeartbeat = onHeartbeat;
    setInterval(() => {
      for (const stream of this.#streams) stream.ack();
    }, ACK_EVERY_MS).unref();
  }

  take(call: ServerDuplexStream<Heartbeat, StreamHeartbeatsResponse>): void {
    const stream = new AckedStream(call);
    this.#streams.add(stream);
    call.on('data', (heartbeat: Heartbeat) => {
      this.#onHeartbeat(heartbeat);
      stream.heard();
    });
    call.on('end', () => call.end());
    call.on('error', () => {});
    call.on('close', () => this.#streams.delete(stream));
  }
}

class AckedStream {
  readonly #call: ServerDuplexStream<unknown, StreamHeartbeatsResponse>;
  #sequence = 0;
  #acked = 0;

  constructor(call: ServerDuplexStream<unknown, StreamHeartbeatsResponse>) {
    this.#call = call;
  }

  heard(): void {
    if (++this.#sequence === 1) this.ack();
  }

  ack(): void {
    if (this.#acked === this.#sequence || !this.#call.writable) return;
    this.#acked = this.#sequence;
    this.#call.write(
      create(StreamHeartbeatsResponseSchema, {
        acks: [{ acceptedSequence: BigInt(this.#sequence) }],
        nextIntervalMs: INTERVAL_MS,
        serverTimeUnixMs: BigInt(Date.now()),
      }),
    );
  }
}
