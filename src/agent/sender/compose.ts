/** Composes the agent's messages from its measurements. */
import { create } from '@bufbuild/protobuf';
import {
  EndedTaskOutcome,
  type Heartbeat,
  HeartbeatSchema,
  type WorkerInfo,
  WorkerInfoSchema,
} from '../../gen/pulselane/v1/telemetry_pb.ts';
import { VERSION } from '../../lib/version.ts';
import { MAX_DEVICES } from '../../model/heartbeat-limits.ts';
import type { EndedTask, RunningTask } from '../../model/telemetry.ts';
import type { Capacity, MachineUsages } from '../measure/machine.ts';
import type { AgentSettings } from '../settings.ts';

export interface HeartbeatParts {
  readonly settings: AgentSettings;
  readonly usages: MachineUsages;
  readonly tasks: Iterable<RunningTask>;
  readonly metrics: Iterable<readonly [name: string, value: number]>;
  readonly endedTasks: readonly EndedTask[];
  readonly sequence: number;
  readonly sentAtUnixMs: number;
  readonly hostLoopLagMs: number;
  readonly lastRoundTripMs: number;
  readonly leaving: boolean;
}

export function heartbeatOf(parts: HeartbeatParts): Heartbeat {
  const { settings, usages } = parts;
  return create(HeartbeatSchema, {
    workerId: settings.workerId,
    cpuUsage: usages.cpuPercent,
    memoryUsage: usages.memoryPercent,
    storageUsage: usages.storagePercent,
    gpuUsage: usages.gpuPercent,
    runningTasks: Array.from(parts.tasks, ({ startedAtUnixMs = 0, ...task }) => ({
      ...task,
      startedAtUnixMs: BigInt(startedAtUnixMs),
    })),
    sequence: BigInt(parts.sequence),
    sentAtUnixMs: BigInt(Math.round(parts.sentAtUnixMs)),
    instanceId: settings.instanceId,
    metrics: Object.fromEntries(parts.metrics),
    gpus: usages.gpus.slice(0, MAX_DEVICES).map((gpu) => ({ ...gpu })),
    hostLoopLagMs: parts.hostLoopLagMs,
    lastRoundTripMs: parts.lastRoundTripMs,
    leaving: parts.leaving,
    endedTasks: parts.endedTasks.map(endedTaskOf),
  });
}

function endedTaskOf({ startedAtUnixMs = 0, endedAtUnixMs = 0, outcome, maxRssBytes, ...task }: EndedTask) {
  return {
    ...task,
    startedAtUnixMs: BigInt(startedAtUnixMs),
    endedAtUnixMs: BigInt(endedAtUnixMs),
    outcome: EndedTaskOutcome[(outcome?.toUpperCase() ?? 'UNSPECIFIED') as keyof typeof EndedTaskOutcome],
    ...(maxRssBytes === undefined ? {} : { maxRssBytes: BigInt(maxRssBytes) }),
  };
}

/** @param intervalMs how often this worker intends to send */
export function workerInfoOf(
  settings: AgentSettings,
  { capacity, workerIp, intervalMs }: { capacity: Capacity; workerIp: string; intervalMs: number },
): WorkerInfo {
  return create(WorkerInfoSchema, {
    workerId: settings.workerId,
    workerIp,
    totalCpu: capacity.cores,
    totalMemory: capacity.memoryGib,
    totalStorage: capacity.storageGib,
    totalGpu: capacity.gpus,
    instanceId: settings.instanceId,
    labels: { ...settings.labels },
    group: settings.group,
    ephemeral: settings.ephemeral,
    agentVersion: VERSION,
    intervalMs,
  });
}
