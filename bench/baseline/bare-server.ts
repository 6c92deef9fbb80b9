/**
 * The least that a server on grpc-js can do: takes heartbeats as raw bytes, counts them, and acks when the product does.
 * It looks into none, so its acks name nobody. What it costs is the floor; what the product costs beyond it is ours.
 */
import { create } from '@bufbuild/protobuf';
import { Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { HeartbeatAckSchema, MasterWorker } from '../../src/gen/cluster/master_worker_pb.ts';
import {
  type StreamHeartbeatsResponse,
  StreamHeartbeatsResponseSchema,
  TelemetryService,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';
import { bindGrpc } from './bind-grpc.ts';

/** As the product: at once for the first heartbeat of a stream, then for all that came in this time. */
const ACK_EVERY_MS = 3000;
const INTERVAL_MS = 5000;

export class BareServer {
  readonly #server = new Server();
  readonly #streams = new Set<BareStream>();
  accepted = 0;

  constructor() {
    const { SendHeartbeat } = grpcServiceOf(MasterWorker, ['SendHeartbeat']);
    const { StreamHeartbeats } = grpcServiceOf(TelemetryService, ['StreamHeartbeats']);
    const ack = create(HeartbeatAckSchema, { success: true });
    this.#server.addService({ SendHeartbeat, StreamHeartbeats } as ReturnType<typeof grpcServiceOf>, {
      SendHeartbeat: (_call: ServerUnaryCall<Buffer, unknown>, callback: sendUnaryData<unknown>) => {
        this.accepted++;
        callback(null, ack);
      },
      StreamHeartbeats: (call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>) => {
        const stream = new BareStream(call, () => this.accepted++);
        this.#streams.add(stream);
        call.on('close', () => this.#streams.delete(stream));
      },
    });
    setInterval(() => {
      for (const stream of this.#streams) stream.ack();
    }, ACK_EVERY_MS).unref();
  }

  /** @returns the port. */
  listen(): Promise<number> {
    return bindGrpc(this.#server);
  }
}

class BareStream {
  readonly #call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>;
  #sequence = 0;
  #acked = 0;

  constructor(call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>, onHeartbeat: () => void) {
    this.#call = call;
    call.on('data', () => {
      onHeartbeat();
      if (++this.#sequence === 1) this.ack();
    });
    call.on('end', () => call.end());
    call.on('error', () => {});
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
