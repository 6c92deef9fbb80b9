/** The library: the telemetry engine for embedding in other programs. */
// biome-ignore-all lint/performance/noBarrelFile: a package has one entry, and this is it; nothing inside imports it
import './lib/require-node.ts';

export type {
  EventQuery,
  ExportQuery,
  HistoryQuery,
  HistoryRange,
  HistoryTime,
  TaskQuery,
} from './app/history-options.ts';
export type { HistoryGap, HistoryPoint, HistoryReading, MetricHistory } from './app/history-reading.ts';
export { type HistoryOptions, TelemetryManager, type TelemetryManagerOptions } from './app/telemetry-manager.ts';
export type { LaneStanding } from './engine/lanes/lane-policy.ts';
export type { UpdateCallback } from './engine/update-watcher.ts';
export type { TaskOutcome, TaskRun } from './history/task-run.ts';
export { type ErrorCode, PulselaneError } from './lib/errors.ts';
export type { WorkerEvent } from './model/events.ts';
export type { HistoryStatus } from './model/history-status.ts';
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
