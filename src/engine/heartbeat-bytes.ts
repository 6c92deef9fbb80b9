/** A heartbeat handed to the library, as the bytes that a lane takes. */
import { create, toBinary } from '@bufbuild/protobuf';
import { GpuSchema, HeartbeatSchema, RunningTaskSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { HeartbeatInput } from '../model/telemetry.ts';
import { checkWorkerId } from '../model/worker-id.ts';

/** @throws PulselaneError `invalid_argument` if the id is not valid or a member has not the type that it must have. */
export function heartbeatBytes(input: HeartbeatInput): Buffer {
  checkWorkerId(input.workerId);
  try {
    return Buffer.from(toBinary(HeartbeatSchema, heartbeatMessage(input)));
  } catch (error) {
    throw new PulselaneError('invalid_argument', `heartbeat of ${input.workerId}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function heartbeatMessage(input: HeartbeatInput) {
  return create(HeartbeatSchema, {
    workerId: input.workerId,
    cpuUsage: input.cpuUsage ?? 0,
    memoryUsage: input.memoryUsage ?? 0,
    storageUsage: input.storageUsage ?? 0,
    gpuUsage: input.gpuUsage ?? 0,
    runningTasks: (input.runningTasks ?? []).map(({ startedAtUnixMs, ...task }) =>
      create(RunningTaskSchema, { ...task, startedAtUnixMs: BigInt(Math.round(startedAtUnixMs ?? 0)) }),
    ),
    gpus: (input.gpus ?? []).map((gpu) => create(GpuSchema, gpu)),
    metrics: { ...input.metrics },
    sequence: BigInt(input.sequence ?? 0),
    sentAtUnixMs: BigInt(Math.round(input.sentAtUnixMs ?? 0)),
    instanceId: input.instanceId ?? '',
    hostLoopLagMs: input.hostLoopLagMs ?? 0,
    lastRoundTripMs: input.lastRoundTripMs ?? 0,
    leaving: input.leaving ?? false,
  });
}
