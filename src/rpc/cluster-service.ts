/**
 * The service of the earlier Go system, for its workers. Task scheduling is out of scope: those methods are not defined and
 * answer UNIMPLEMENTED, as does MasterRegister, which only workers serve.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { HeartbeatAckSchema, MasterWorker, RegisterAckSchema } from '../gen/cluster/master_worker_pb.ts';
import { PulselaneError } from '../lib/errors.ts';
import { grpcServiceOf } from '../lib/grpc-adapter.ts';
import type { Logger } from '../lib/logging.ts';
import { scanHeartbeat } from '../model/heartbeat-scan.ts';
import type { CallGuard } from './call-guard.ts';
import { unary, WithTrailer } from './calls.ts';
import type { Registrar } from './registration.ts';
import { RejectedContent, rejectionTrailer } from './status.ts';

const { RegisterWorker, SendHeartbeat } = grpcServiceOf(
  MasterWorker,
  ['RegisterWorker', 'SendHeartbeat'],
  ['SendHeartbeat'],
);
export const clusterDefinition = { RegisterWorker, SendHeartbeat } as ReturnType<typeof grpcServiceOf>;

/** Constant: encoding it for each heartbeat would add 5 % to the cost of a call. */
const ACK = Buffer.from(toBinary(HeartbeatAckSchema, create(HeartbeatAckSchema, { success: true })));

export interface ClusterHandlersOptions {
  readonly manager: TelemetryManager;
  readonly guard: CallGuard;
  readonly registrar: Registrar;
  readonly logger: Logger;
}

export function clusterHandlers({
  manager,
  guard,
  registrar,
  logger,
}: ClusterHandlersOptions): UntypedServiceImplementation {
  const parts = { guard, logger };
  return {
    RegisterWorker: unary((request, caller) => {
      try {
        const { workerId } = registrar.register(request, caller);
        return create(RegisterAckSchema, { success: true, message: `${workerId} is registered` });
      } catch (error) {
        // The earlier system refuses in the answer, not by a status.
        if (!(error instanceof PulselaneError) || error.code !== 'not_admitted') throw error;
        return create(RegisterAckSchema, { success: false, message: error.message });
      }
    }, parts),
    SendHeartbeat: unary(
      (request, caller) => {
        const refusal = guard.heartbeatRefusal(caller);
        if (refusal !== undefined) throw refusal;
        const head = scanHeartbeat(request);
        guard.mustSpeakFor(caller, head.workerId);
        const isKept = manager.intake.accept(request, head, 'grpc_unary');
        const problem = head.amountProblem();
        // Before `take`, because its lane may have rejected it already.
        if (problem !== undefined && isKept) manager.untoldRejections.foretold(head.workerId);
        const untold = manager.untoldRejections.take(head.workerId);
        if (problem !== undefined) throw new RejectedContent(problem, untold);
        return untold === undefined ? ACK : new WithTrailer(ACK, rejectionTrailer(untold));
      },
      { ...parts, onRefused: (error) => manager.countRefused(error) },
    ),
  };
}
