/**
 * A minimal server on grpc-js: takes heartbeats as raw bytes, counts them, and acks as often as Pulselane, all streams at once.
 * It does not look into heartbeats, so its acks name no worker. Its cost is the floor; the rest is Pulselane's own.
 */
import { create } from '@bufbuild/protobuf';
import { Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { HeartbeatAckSchema, MasterWorker, RegisterAckSchema } from '../../src/gen/cluster/master_worker_pb.ts';
import { type StreamHeartbeatsResponse, TelemetryService } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';
import { AckedStreams } from './acked-stream.ts';
import { bindGrpc } from './bind-grpc.ts';

export class BareServer {
  readonly #server = new Server();
  accepted = 0;

  constructor() {
    const { SendHeartbeat, RegisterWorker } = grpcServiceOf(MasterWorker, ['SendHeartbeat', 'RegisterWorker']);
    const { StreamHeartbeats } = grpcServiceOf(TelemetryService, ['StreamHeartbeats']);
    const ack = create(HeartbeatAckSchema, { success: true });
    const registered = create(RegisterAckSchema, { success: true });
    const streams = new AckedStreams<Buffer>(() => this.accepted++);
    this.#server.addService({ SendHeartbeat, RegisterWorker, StreamHeartbeats } as ReturnType<typeof grpcServiceOf>, {
      SendHeartbeat: (_call: ServerUnaryCall<Buffer, unknown>, callback: sendUnaryData<unknown>) => {
        this.accepted++;
        callback(null, ack);
      },
      RegisterWorker: (_call: ServerUnaryCall<Buffer, unknown>, callback: sendUnaryData<unknown>) =>
        callback(null, registered),
      StreamHeartbeats: (call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>) => streams.take(call),
    });
  }

  /** @returns the port. */
  listen(): Promise<number> {
    return bindGrpc(this.#server);
  }
}
