/** Pulselane's own service: Register, Deregister, StreamHeartbeats. */
import { create } from '@bufbuild/protobuf';
import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { MAX_REGISTRATION_BYTES } from '../config/call-limits.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import {
  DeregisterRequestSchema,
  DeregisterResponseSchema,
  RegisterResponseSchema,
  type StreamHeartbeatsResponse,
  TelemetryService,
} from '../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { grpcServiceOf } from '../lib/grpc-adapter.ts';
import type { Logger } from '../lib/logging.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { checkText, MAX_INSTANCE_ID_BYTES } from '../model/worker-info.ts';
import { AckRota } from './ack-rota.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { decodeRequest, unary } from './calls.ts';
import { HeartbeatStream } from './heartbeat-stream.ts';
import { AckRoom, MAX_UNREAD_ACKS } from './pending-acks.ts';
import type { Registrar } from './registration.ts';
import { serviceErrorOf } from './status.ts';

export const telemetryDefinition = grpcServiceOf(TelemetryService, ['Register', 'Deregister', 'StreamHeartbeats']);

/** Acks are the largest cost of a stream. They are cumulative, so one per worker in this time is enough. */
export const ACK_EVERY_MS = 3000;

export interface TelemetryHandlersOptions {
  readonly manager: TelemetryManager;
  readonly guard: CallGuard;
  readonly registrar: Registrar;
  /** The heartbeat size limits announced to agents. */
  readonly limits: { readonly maxMessageBytes: number; readonly maxRecordBytes: number };
  /** Default {@link ACK_EVERY_MS}. */
  readonly ackEveryMs?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TelemetryHandlers {
  readonly implementation: UntypedServiceImplementation;
  /** How many streams are open. */
  streams(): number;
  /**
   * The tokens changed: ends the streams whose token was removed, and applies the present grant to the others.
   * @returns how many streams it ended
   */
  recheck(): number;
  /** Sends the last acks and ends every stream. */
  close(): void;
}

export function telemetryHandlers({
  manager,
  guard,
  registrar,
  limits,
  ackEveryMs = ACK_EVERY_MS,
  clock,
  logger,
}: TelemetryHandlersOptions): TelemetryHandlers {
  const streams = new Set<HeartbeatStream>();
  const ackRoom = new AckRoom(MAX_UNREAD_ACKS, () => manager.refusals.count('pending_acks'));
  const rota = new AckRota({ clock, periodMs: ackEveryMs });
  const parts = { guard, logger };
  return {
    implementation: {
      Register: unary((request, caller) => {
        registrar.register(request, caller);
        return create(RegisterResponseSchema, {
          nextIntervalMs: manager.intervalToTell(),
          serverTimeUnixMs: BigInt(Math.round(clock.wallMs())),
          maxMessageBytes: limits.maxMessageBytes,
          maxRecordBytes: limits.maxRecordBytes,
        });
      }, parts),
      Deregister: unary((request, caller) => {
        guard.mustFit(caller, 'DeregisterRequest', request, MAX_REGISTRATION_BYTES);
        const { workerId, instanceId } = decodeRequest(DeregisterRequestSchema, request);
        checkWorkerId(workerId);
        checkText('instance_id', instanceId, MAX_INSTANCE_ID_BYTES);
        guard.mustSpeakFor(caller, workerId);
        if (!manager.deregisterWorker(workerId, instanceId)) {
          throw new PulselaneError('not_found', `no worker is called ${workerId}`);
        }
        return create(DeregisterResponseSchema);
      }, parts),
      StreamHeartbeats: (call: ServerDuplexStream<Buffer, StreamHeartbeatsResponse>) => {
        let caller: Caller;
        try {
          caller = guard.enter(call);
        } catch (error) {
          if (!(error instanceof PulselaneError)) logger.error({ err: error, method: call.getPath() }, 'a call failed');
          call.emit('error', serviceErrorOf(error));
          return;
        }
        const onClosed = () => {
          streams.delete(stream);
          rota.delete(stream);
        };
        const stream = new HeartbeatStream({ call, caller, guard, manager, ackRoom, clock, logger, onClosed });
        streams.add(stream);
        rota.add(stream);
      },
    },
    streams: () => streams.size,
    recheck() {
      let ended = 0;
      for (const stream of streams) if (!stream.renew()) ended++;
      return ended;
    },
    close() {
      rota.stop();
      for (const stream of streams) stream.close();
    },
  };
}
