/** The library: the telemetry engine for embedding in other programs. */
// biome-ignore-all lint/performance/noBarrelFile: a package has one entry, and this is it; nothing inside imports it
import './lib/require-node.ts';

export type { LaneStanding } from './engine/lanes/lane-policy.ts';
export { TelemetryManager, type TelemetryManagerOptions } from './engine/telemetry-manager.ts';
export type { UpdateCallback } from './engine/update-watcher.ts';
export { type ErrorCode, PulselaneError } from './lib/errors.ts';
export type { Isolation } from './model/isolation.ts';
export type { HeartbeatProcessor, ProcessedHeartbeat, ProcessorAnswer } from './model/processor.ts';
export type {
  EndedTask,
  EndedTaskOutcome,
  GpuUsage,
  HeartbeatInput,
  RunningTask,
  WorkerTelemetry,
} from './model/telemetry.ts';
