/**
 * The names of expressions, with their CEL types: a public format. docs/alert-rules.md shows this table; a test compares them.
 *
 * A name that a subject lacks (`mayBeMissing`) makes a condition that needs it `no_data`, and is tested with `has()`.
 */
import type { ForEach } from '../../model/alert.ts';
import { HISTORY_STATES } from '../../model/history-status.ts';
import { LANE_STATES } from '../../model/lanes.ts';
import { STATE_CAUSES, WORKER_STATES } from '../../model/liveness.ts';
import { type CelType, listOf, mapOf } from './types.ts';

export interface NameInfo {
  readonly type: CelType;
  /** With the unit. */
  readonly meaning: string;
  readonly mayBeMissing?: true;
  /** Functions over time take it: `avg_over("cpu_usage", "10m")`. */
  readonly overTime?: true;
  /** A count that only grows while the worker is known; `rate` takes it as one. */
  readonly isCounter?: true;
  /** All values of a text; a comparison with any other text is a mistake. */
  readonly values?: readonly string[];
}

const PERCENT = { type: 'double', overTime: true } as const;

/** `for_each: worker`. */
const WORKER_NAMES = {
  worker_id: { type: 'string', meaning: 'id of the worker' },
  group: { type: 'string', meaning: 'group of the worker; empty: none' },
  state: { type: 'string', meaning: 'state of the worker', values: WORKER_STATES },
  state_seconds: { type: 'double', meaning: 'time in this state, in seconds' },
  cause: { type: 'string', meaning: 'why it is in this state', values: STATE_CAUSES },
  cpu_usage: { ...PERCENT, meaning: 'CPU in percent', mayBeMissing: true },
  memory_usage: { ...PERCENT, meaning: 'memory in percent', mayBeMissing: true },
  storage_usage: { ...PERCENT, meaning: 'storage in percent', mayBeMissing: true },
  gpu_usage: { ...PERCENT, meaning: 'GPUs in percent; missing for a worker without a GPU', mayBeMissing: true },
  tasks: { type: 'int', meaning: 'number of running tasks', mayBeMissing: true, overTime: true },
  labels: { type: mapOf('string'), meaning: 'labels of the worker: `labels.zone` or `labels["zone"]`' },
  metrics: { type: mapOf('double'), meaning: 'custom metrics of the worker: `metrics.frames_rendered`' },
  gpus: {
    type: listOf('gpu'),
    meaning:
      'devices of the last heartbeat, see the table of their members; empty if it lists none and has listed some before',
    mayBeMissing: true,
  },
  gpus_seen: {
    type: 'int',
    meaning: 'most devices that the worker has had while it was known; missing if it has had none',
    mayBeMissing: true,
  },
  stuck: { type: 'bool', meaning: 'whether it sends heartbeats but makes no progress' },
  flapping: { type: 'bool', meaning: 'whether it keeps changing its state' },
  missed: {
    type: 'int',
    meaning: 'heartbeats that it has sent and that never arrived, since it registered',
    overTime: true,
    isCounter: true,
  },
  dropped: {
    type: 'int',
    meaning:
      'heartbeats that arrived and whose values were never shown, since it registered: rejected, lost with their lane, or replaced for the reasons backlog, quarantine and memory',
    overTime: true,
    isCounter: true,
  },
  restarts: { type: 'int', meaning: 'restarts of the worker', overTime: true, isCounter: true },
  interval_ms: { type: 'double', meaning: 'time between its heartbeats, in ms' },
  skew_ms: {
    type: 'double',
    meaning: 'how far its clock is ahead of the master, in ms; negative: behind',
    mayBeMissing: true,
  },
  lane_state: { type: 'string', meaning: 'state of the lane that serves it', values: LANE_STATES },
  score: {
    type: 'double',
    meaning:
      'how unusual the last sample is, from 0 to 1: for itself or beside its group; a function over time reads the first of both',
    mayBeMissing: true,
    overTime: true,
  },
  score_metric: { type: 'string', meaning: 'the metric with this score; missing below 0.5', mayBeMissing: true },
  score_reason: { type: 'string', meaning: 'why, in words; missing below 0.5', mayBeMissing: true },
} as const satisfies Record<string, NameInfo>;

/** `for_each: group` and `for_each: cluster`. */
const AGGREGATE_NAMES = {
  name: { type: 'string', meaning: 'name of the group; empty: workers without a group, and the cluster' },
  workers: { type: 'int', meaning: 'number of workers that are known' },
  active: { type: 'int', meaning: 'number of workers whose `is_active` is true' },
  inactive: { type: 'int', meaning: 'number of workers in the state inactive' },
} as const satisfies Record<string, NameInfo>;

const GROUP_NAMES = {
  ...AGGREGATE_NAMES,
  brake: {
    type: 'bool',
    meaning:
      'whether most of the group went silent at the same time, alone or together with other groups that have fewer than three workers, so that its workers are not judged; a condition that contains this name is judged even so',
  },
} as const satisfies Record<string, NameInfo>;

const CLUSTER_NAMES = {
  ...AGGREGATE_NAMES,
  history_state: { type: 'string', meaning: 'state of the history', values: ['off', ...HISTORY_STATES] },
} as const satisfies Record<string, NameInfo>;

export const NAMES: Readonly<Record<ForEach, Readonly<Record<string, NameInfo>>>> = {
  worker: WORKER_NAMES,
  group: GROUP_NAMES,
  cluster: CLUSTER_NAMES,
};

export type WorkerName = keyof typeof WORKER_NAMES;

/** Members of a device in `gpus`; those that were not measured are missing. */
export const GPU_MEMBERS = {
  index: { type: 'int', meaning: 'number of the device' },
  uuid: { type: 'string', meaning: 'its UUID' },
  name: { type: 'string', meaning: 'its product name' },
  utilization_percent: { type: 'double', meaning: 'from 0 to 100', mayBeMissing: true },
  memory_used_bytes: { type: 'double', meaning: 'memory in use, in bytes', mayBeMissing: true },
  memory_total_bytes: { type: 'double', meaning: 'memory in all, in bytes', mayBeMissing: true },
  temperature_celsius: { type: 'double', meaning: 'temperature in °C', mayBeMissing: true },
  power_watts: { type: 'double', meaning: 'power in watts', mayBeMissing: true },
  parent_uuid: {
    type: 'string',
    meaning: 'device of which it is a part; missing for a whole device',
    mayBeMissing: true,
  },
} as const satisfies Record<string, NameInfo>;

/** Built-in names that functions over time take, besides custom metrics. */
export const OVER_TIME: readonly string[] = Object.entries<NameInfo>(WORKER_NAMES)
  .filter(([, info]) => info.overTime === true)
  .map(([name]) => name);

/** Built-in names that `avg` and `max` take, besides custom metrics: numbers of workers. */
export const AGGREGATED: readonly string[] = Object.entries<NameInfo>(WORKER_NAMES)
  .filter(([, info]) => info.type === 'int' || info.type === 'double')
  .map(([name]) => name);

/** Functions over time of a worker, with their arguments behind the metric. */
export const WINDOW_FUNCTIONS = {
  avg_over: { arguments: ['window'], meaning: 'mean over the window' },
  min_over: { arguments: ['window'], meaning: 'least value in the window' },
  max_over: { arguments: ['window'], meaning: 'largest value in the window' },
  rate: { arguments: ['window'], meaning: 'increase per second over the window; a count that falls has started anew' },
  predict: {
    arguments: ['window', 'ahead'],
    meaning: 'value after the time ahead, on the straight line that fits the window best',
  },
} as const;

/** Functions over the workers of a group or of the cluster. */
export const AGGREGATE_FUNCTIONS = {
  avg: { argument: 'field', meaning: 'mean over the workers that have the field' },
  max: { argument: 'field', meaning: 'largest value among the workers that have the field' },
  count: { argument: 'state', meaning: 'number of workers in the state' },
} as const;
