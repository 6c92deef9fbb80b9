/** Pulselane's own service: Register, Deregister, StreamHeartbeats. */
import { create } from '@bufbuild/protobuf';
import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import {
  DeregisterRequestSchema,
  DeregisterResponseSchema,
  RegisterResponseSchema,
  type StreamHeartbeatsResponse,
  TelemetryService,
  WorkerInfoSchema,
} from '../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { grpcServiceOf } from '../lib/grpc-adapter.ts';
import type { Logger } from '../lib/logging.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { decodeRequest, unary } from './calls.ts';
import { HeartbeatStream } from './heartbeat-stream.ts';

export const telemetryDefinition = grpcServiceOf(TelemetryService, ['Register', 'Deregister', 'StreamHeartbeats']);

/** Acks are the largest single cost of a stream, and cumulative: one in this time is enough. */
const ACK_EVERY_MS = 3000;

export interface TelemetryHandlersOptions {
  readonly manager: TelemetryManager;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TelemetryHandlers {
  readonly implementation: UntypedServiceImplementation;
  /** Sends the last acks and ends every stream. */
  close(): void;
}

export function telemetryHandlers({ manager, clock, logger }: TelemetryHandlersOptions): TelemetryHandlers {
  const streams = new Set<HeartbeatStream>();
  const ackTimer = clock.every(ACK_EVERY_MS, () => {
    for (const stream of streams) stream.flush();
  });
  return {
    implementation: {
      Register: unary((request) => {
        manager.announceWorker(decodeRequest(WorkerInfoSchema, request));
        return create(RegisterResponseSchema, {
          nextIntervalMs: manager.intervalToTell(),
          serverTimeUnixMs: BigInt(Math.round(clock.wallMs())),
        });
      }, logger),
      Deregister: unary((request) => {
        const { workerId, instanceId } = decodeRequest(DeregisterRequestSchema, request);
        checkWorkerId(workerId);
        if (!manager.deregisterWorker(workerId, instanceId)) {
          throw new PulselaneError('not_found', `no worker is called ${workerId}`);
        }
        return create(DeregisterResponseSchema);
      }, logger),
      StreamHeartbeats: (call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>) => {
        // One for the life of the stream: an interval that changed with each ack would be no interval.
        const jitter = Math.random();
        const stream: HeartbeatStream = new HeartbeatStream({
          call,
          accept: (bytes, head, via) => manager.acceptHeartbeat(bytes, head, via),
          intervalMs: () => manager.intervalToTell(jitter),
          onHungUp: (workerIds, via) => manager.hungUp(workerIds, via),
          clock,
          logger,
          onClosed: () => streams.delete(stream),
        });
        streams.add(stream);
      },
    },
    close() {
      ackTimer.cancel();
      for (const stream of streams) stream.close();
    },
  };
}
