/** Validates a decoded heartbeat before it replaces the last good record. */
import { amountProblem, isAmount } from '../model/amounts.ts';
import type { EndedTask, GpuUsage, RunningTask } from '../model/telemetry.ts';
import { MAX_UNIX_MS } from '../model/unix-ms.ts';
import type { ReadHeartbeat } from './decode.ts';

/** Metric names of any length are cut to this in messages. */
const SHOWN_NAME_LENGTH = 64;

/**
 * Returns what is wrong with the heartbeat, naming the field; undefined if it is valid. Usages above 100 are valid: a
 * process may use more than one core. Custom metrics may be any finite number. Known tasks were validated before.
 */
export function heartbeatProblem(heartbeat: ReadHeartbeat): string | undefined {
  return (
    amountProblem('cpu_usage', heartbeat.cpuUsage) ??
    amountProblem('memory_usage', heartbeat.memoryUsage) ??
    amountProblem('storage_usage', heartbeat.storageUsage) ??
    amountProblem('gpu_usage', heartbeat.gpuUsage) ??
    amountProblem('host_loop_lag_ms', heartbeat.hostLoopLagMs) ??
    amountProblem('last_round_trip_ms', heartbeat.lastRoundTripMs) ??
    (heartbeat.runningTasks === undefined ? undefined : firstProblem(heartbeat.runningTasks, taskProblem)) ??
    firstProblem(heartbeat.endedTasks, endedTaskProblem) ??
    firstProblem(heartbeat.gpus, gpuProblem) ??
    metricsProblem(heartbeat.metrics)
  );
}

function taskProblem(task: RunningTask, index: number): string | undefined {
  const { cpuAllocated, memoryAllocated, gpuAllocated, progress = 0 } = task;
  // The valid case builds no path text, which a worker of 50 tasks would build 200 times per heartbeat.
  if (isAmount(cpuAllocated) && isAmount(memoryAllocated) && isAmount(gpuAllocated) && isAmount(progress)) {
    return undefined;
  }
  const path = `running_tasks[${index}]`;
  return (
    amountProblem(`${path}.cpu_allocated`, cpuAllocated) ??
    amountProblem(`${path}.memory_allocated`, memoryAllocated) ??
    amountProblem(`${path}.gpu_allocated`, gpuAllocated) ??
    amountProblem(`${path}.progress`, progress)
  );
}

function endedTaskProblem(task: EndedTask, index: number): string | undefined {
  const path = `ended_tasks[${index}]`;
  if (task.taskId === '') return `${path}.task_id is empty`;
  return (
    timeProblem(`${path}.started_at_unix_ms`, task.startedAtUnixMs ?? 0) ??
    timeProblem(`${path}.ended_at_unix_ms`, task.endedAtUnixMs ?? 0) ??
    amountProblem(`${path}.cpu_seconds`, task.cpuSeconds ?? 0)
  );
}

function timeProblem(path: string, unixMs: number): string | undefined {
  if (unixMs >= 0 && unixMs <= MAX_UNIX_MS) return undefined;
  return `${path} is ${unixMs}, expected milliseconds since 1970, from 0 to ${MAX_UNIX_MS}`;
}

function gpuProblem(gpu: GpuUsage, index: number): string | undefined {
  const path = `gpus[${index}]`;
  return (
    amountProblem(`${path}.utilization_percent`, gpu.utilizationPercent ?? 0) ??
    amountProblem(`${path}.memory_used_bytes`, gpu.memoryUsedBytes ?? 0) ??
    amountProblem(`${path}.memory_total_bytes`, gpu.memoryTotalBytes ?? 0) ??
    amountProblem(`${path}.power_watts`, gpu.powerWatts ?? 0) ??
    numberProblem(`${path}.temperature_celsius`, gpu.temperatureCelsius ?? 0)
  );
}

function metricsProblem(metrics: ReadonlyMap<string, number>): string | undefined {
  for (const [name, value] of metrics) {
    const problem = numberProblem(`metrics[${JSON.stringify(name.slice(0, SHOWN_NAME_LENGTH))}]`, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function numberProblem(path: string, value: number): string | undefined {
  return Number.isFinite(value) ? undefined : `${path} is ${value}, expected a finite number`;
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T, index: number) => string | undefined) {
  for (let index = 0; index < items.length; index++) {
    const problem = problemOf(items[index] as T, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
