/** Encodes a heartbeat passed to the library as the bytes that a lane decodes. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  EndedTaskOutcome,
  EndedTaskSchema,
  GpuSchema,
  HeartbeatSchema,
  RunningTaskSchema,
} from '../gen/pulselane/v1/telemetry_pb.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { kindOf } from '../lib/kind-of.ts';
import { ENDED_TASK_OUTCOMES, type EndedTask, type HeartbeatInput, type RunningTask } from '../model/telemetry.ts';
import { checkWorkerId } from '../model/worker-id.ts';

/** @throws PulselaneError `invalid_argument` if the id is invalid or a member has the wrong type */
export function heartbeatBytes(input: HeartbeatInput): Buffer {
  if (typeof input !== 'object' || input === null) {
    throw new PulselaneError(
      'invalid_argument',
      `the heartbeat is ${kindOf(input)}, expected an object with a workerId`,
    );
  }
  checkWorkerId(input.workerId);
  try {
    return Buffer.from(toBinary(HeartbeatSchema, heartbeatMessage(input)));
  } catch (error) {
    throw new PulselaneError('invalid_argument', `heartbeat of ${input.workerId}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Undefined becomes 0. The encoder accepts any value for a number: a string would become NaN without an error. */
function num(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number') throw new Error(`${name} is ${kindOf(value)}, expected a number`);
  return value;
}

function unixMs(name: string, value: number | undefined): bigint {
  return BigInt(Math.round(num(name, value)));
}

function heartbeatMessage(input: HeartbeatInput) {
  return create(HeartbeatSchema, {
    workerId: input.workerId,
    cpuUsage: num('cpuUsage', input.cpuUsage),
    memoryUsage: num('memoryUsage', input.memoryUsage),
    storageUsage: num('storageUsage', input.storageUsage),
    gpuUsage: num('gpuUsage', input.gpuUsage),
    runningTasks: (input.runningTasks ?? []).map(taskMessage),
    endedTasks: (input.endedTasks ?? []).map(endedTaskMessage),
    gpus: (input.gpus ?? []).map((gpu) => create(GpuSchema, gpu)),
    metrics: Object.fromEntries(
      Object.entries(input.metrics ?? {}).map(([name, value]) => [name, num(`metrics.${name}`, value)]),
    ),
    sequence: BigInt(num('sequence', input.sequence)),
    sentAtUnixMs: unixMs('sentAtUnixMs', input.sentAtUnixMs),
    instanceId: input.instanceId ?? '',
    hostLoopLagMs: num('hostLoopLagMs', input.hostLoopLagMs),
    lastRoundTripMs: num('lastRoundTripMs', input.lastRoundTripMs),
    leaving: input.leaving ?? false,
  });
}

function taskMessage(task: Partial<RunningTask>, index: number) {
  const path = `runningTasks[${index}]`;
  return create(RunningTaskSchema, {
    taskId: task.taskId ?? '',
    cpuAllocated: num(`${path}.cpuAllocated`, task.cpuAllocated),
    memoryAllocated: num(`${path}.memoryAllocated`, task.memoryAllocated),
    gpuAllocated: num(`${path}.gpuAllocated`, task.gpuAllocated),
    status: task.status ?? '',
    startedAtUnixMs: unixMs(`${path}.startedAtUnixMs`, task.startedAtUnixMs),
    ...(task.progress === undefined ? {} : { progress: num(`${path}.progress`, task.progress) }),
  });
}

function endedTaskMessage(task: EndedTask, index: number) {
  const path = `endedTasks[${index}]`;
  const { taskId, outcome, exitCode, cpuSeconds, maxRssBytes } = task;
  if (typeof taskId !== 'string') throw new Error(`${path}.taskId is ${kindOf(taskId)}, expected a text`);
  if (outcome !== undefined && !ENDED_TASK_OUTCOMES.includes(outcome)) {
    throw new Error(`${path}.outcome is ${JSON.stringify(outcome)}, expected one of ${ENDED_TASK_OUTCOMES.join(', ')}`);
  }
  return create(EndedTaskSchema, {
    taskId,
    startedAtUnixMs: unixMs(`${path}.startedAtUnixMs`, task.startedAtUnixMs),
    endedAtUnixMs: unixMs(`${path}.endedAtUnixMs`, task.endedAtUnixMs),
    outcome: EndedTaskOutcome[(outcome?.toUpperCase() ?? 'UNSPECIFIED') as keyof typeof EndedTaskOutcome],
    ...(exitCode === undefined ? {} : { exitCode: num(`${path}.exitCode`, exitCode) }),
    ...(cpuSeconds === undefined ? {} : { cpuSeconds: num(`${path}.cpuSeconds`, cpuSeconds) }),
    ...(maxRssBytes === undefined ? {} : { maxRssBytes: BigInt(Math.round(num(`${path}.maxRssBytes`, maxRssBytes))) }),
  });
}
