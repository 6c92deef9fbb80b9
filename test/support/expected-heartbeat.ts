/** What the full library reads of a heartbeat, in the lane's shape. */
import type { Heartbeat } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import type { DecodedHeartbeat } from '../../src/lane/decode.ts';
import type { EndedTaskOutcome } from '../../src/model/telemetry.ts';

const OUTCOMES: Readonly<Record<number, EndedTaskOutcome>> = { 1: 'finished', 2: 'failed', 3: 'killed', 4: 'vanished' };

export function expectedHeartbeat(message: Heartbeat): DecodedHeartbeat {
  return {
    workerId: message.workerId,
    cpuUsage: message.cpuUsage,
    memoryUsage: message.memoryUsage,
    storageUsage: message.storageUsage,
    gpuUsage: message.gpuUsage,
    runningTasks: message.runningTasks.map((task) => ({
      taskId: task.taskId,
      cpuAllocated: task.cpuAllocated,
      memoryAllocated: task.memoryAllocated,
      gpuAllocated: task.gpuAllocated,
      status: task.status,
      ...(task.startedAtUnixMs === 0n ? {} : { startedAtUnixMs: Number(task.startedAtUnixMs) }),
      ...(task.progress === undefined ? {} : { progress: task.progress }),
    })),
    endedTasks: message.endedTasks.map(({ outcome: number, ...task }) => {
      const outcome = OUTCOMES[number];
      return {
        taskId: task.taskId,
        ...(task.startedAtUnixMs === 0n ? {} : { startedAtUnixMs: Number(task.startedAtUnixMs) }),
        ...(task.endedAtUnixMs === 0n ? {} : { endedAtUnixMs: Number(task.endedAtUnixMs) }),
        ...(outcome === undefined ? {} : { outcome }),
        ...(task.exitCode === undefined ? {} : { exitCode: task.exitCode }),
        ...(task.cpuSeconds === undefined ? {} : { cpuSeconds: task.cpuSeconds }),
        ...(task.maxRssBytes === undefined ? {} : { maxRssBytes: Number(task.maxRssBytes) }),
      };
    }),
    gpus: message.gpus.map(({ index, uuid, name, ...rest }) => ({
      index,
      uuid,
      name,
      ...Object.fromEntries(
        (['utilizationPercent', 'memoryUsedBytes', 'memoryTotalBytes', 'temperatureCelsius', 'powerWatts'] as const)
          .filter((key) => rest[key] !== undefined)
          .map((key) => [key, rest[key]]),
      ),
      ...(rest.parentUuid === '' ? {} : { parentUuid: rest.parentUuid }),
    })),
    metrics: new Map(Object.entries(message.metrics)),
    sequence: Number(message.sequence),
    sentAtUnixMs: Number(message.sentAtUnixMs),
    hostLoopLagMs: message.hostLoopLagMs,
    lastRoundTripMs: message.lastRoundTripMs,
  };
}
