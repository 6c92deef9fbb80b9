/**
 * The families of workers: their names, types and meanings, and how each is read from the board row, the slot and what the
 * worker registered with. Custom metrics are families of their own: see custom-names.ts.
 *
 * | lifetime | the series exist                                                                        |
 * |----------|-----------------------------------------------------------------------------------------|
 * | known    | while the master knows the worker: alerts on them must not resolve because it is silent |
 * | active   | while it is active too: a value that nobody measures any more is no value               |
 */
import { LANE_STATES } from '../../model/lanes.ts';
import { WORKER_STATES } from '../../model/liveness.ts';
import type { GpuUsage } from '../../model/telemetry.ts';
import type { Directory } from '../../reading/directory.ts';
import type { ParsedRecord } from '../../reading/parsed-record.ts';
import { scoreOf } from '../../reading/scores.ts';
import { hasGpu, rowOf } from '../../reading/values.ts';
import { DEFAULT_STATE_LABEL, type Family } from '../family.ts';
import { ratioOf } from './ratio.ts';

export type Lifetime = 'known' | 'active';

/** Groups of families, as `collect[]` names them. */
export const WORKER_COLLECTIONS = ['state', 'info', 'usage', 'capacity', 'health', 'lane', 'gpu', 'custom'] as const;
export type WorkerCollection = (typeof WORKER_COLLECTIONS)[number];

interface AnyWorkerFamily extends Family {
  readonly lifetime: Lifetime;
  readonly collection: WorkerCollection;
}

/** One series per worker, whose only label is `worker`; none while `read` returns undefined. */
export interface NumberFamily extends AnyWorkerFamily {
  readonly shape: 'number';
  readonly read: (reading: ParsedRecord, directory: Directory) => number | undefined;
}

/** One series per state: 1 for the present one, else 0. */
export interface StateFamily extends AnyWorkerFamily {
  readonly shape: 'state';
  readonly type: 'stateset';
  readonly stateLabel: string;
  readonly states: readonly string[];
  readonly read: (reading: ParsedRecord, directory: Directory) => string;
}

/** One series of value 1, whose labels are the information: see info-labels.ts. */
export interface InfoFamily extends AnyWorkerFamily {
  readonly shape: 'info';
  readonly type: 'info';
}

/** One series per device: see `deviceLabels`. */
export interface DeviceFamily extends AnyWorkerFamily {
  readonly shape: 'device';
  readonly read: (device: GpuUsage) => number | undefined;
}

export type WorkerFamily = NumberFamily | StateFamily | InfoFamily | DeviceFamily;

const GIB_BYTES = 1024 ** 3;

/** Registered capacity; 0 is "not told". */
const bytesOf = (gib: number | undefined) => (gib === undefined || gib <= 0 ? undefined : gib * GIB_BYTES);

const ratioIn = (percent: number | undefined) => (percent === undefined ? undefined : ratioOf(percent));

/** In the order in which they are exposed. */
export const WORKER_FAMILIES: readonly WorkerFamily[] = [
  {
    name: 'pulselane_worker_up',
    type: 'gauge',
    help: 'Whether the worker is active (1) or not (0).',
    lifetime: 'known',
    collection: 'state',
    shape: 'number',
    read: (reading, { board }) => Number(board.isActive(rowOf(reading))),
  },
  {
    name: 'pulselane_worker_state',
    type: 'stateset',
    help: 'The state of the worker.',
    lifetime: 'known',
    collection: 'state',
    shape: 'state',
    stateLabel: DEFAULT_STATE_LABEL,
    states: WORKER_STATES,
    read: (reading, { board }) => board.state(rowOf(reading)),
  },
  {
    // Written with the suffix of its type: pulselane_worker_info.
    name: 'pulselane_worker',
    type: 'info',
    help: 'What the worker registered with; its own labels as far as METRICS_LABELS allows them.',
    lifetime: 'known',
    collection: 'info',
    shape: 'info',
  },
  {
    name: 'pulselane_worker_last_heartbeat_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the master received the last heartbeat of the worker, or its registration before the first.',
    lifetime: 'known',
    collection: 'state',
    shape: 'number',
    read: (reading, { board }) => board.lastUpdateS(rowOf(reading)),
  },
  {
    name: 'pulselane_worker_cpu_usage_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Used processor time of the worker, as a share of what it has.',
    lifetime: 'active',
    collection: 'usage',
    shape: 'number',
    read: ({ numbers }) => ratioIn(numbers?.cpuUsage),
  },
  {
    name: 'pulselane_worker_memory_usage_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Used memory of the worker, as a share of what it has.',
    lifetime: 'active',
    collection: 'usage',
    shape: 'number',
    read: ({ numbers }) => ratioIn(numbers?.memoryUsage),
  },
  {
    name: 'pulselane_worker_storage_usage_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Used storage of the worker, as a share of what it has.',
    lifetime: 'active',
    collection: 'usage',
    shape: 'number',
    read: ({ numbers }) => ratioIn(numbers?.storageUsage),
  },
  {
    name: 'pulselane_worker_gpu_usage_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Usage of all GPUs of the worker together; absent for a worker without one.',
    lifetime: 'active',
    collection: 'usage',
    shape: 'number',
    read: ({ numbers, entry }) =>
      numbers !== undefined && hasGpu(entry, numbers) ? ratioOf(numbers.gpuUsage) : undefined,
  },
  {
    name: 'pulselane_worker_tasks_running',
    type: 'gauge',
    help: 'Running tasks of the worker.',
    lifetime: 'active',
    collection: 'usage',
    shape: 'number',
    read: ({ numbers }) => numbers?.runningTasks,
  },
  {
    name: 'pulselane_worker_memory_limit_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory that the worker registered with.',
    lifetime: 'active',
    collection: 'capacity',
    shape: 'number',
    read: ({ entry: { facts } }) => bytesOf(facts?.totalMemoryGib),
  },
  {
    name: 'pulselane_worker_storage_size_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Storage that the worker registered with.',
    lifetime: 'active',
    collection: 'capacity',
    shape: 'number',
    read: ({ entry: { facts } }) => bytesOf(facts?.totalStorageGib),
  },
  {
    // Not a counter: a heartbeat that arrives late is no longer missed.
    name: 'pulselane_worker_heartbeats_missed',
    type: 'gauge',
    help: 'Heartbeats of the worker that were sent but have not arrived, by sequence number. One that arrives late is subtracted again.',
    lifetime: 'known',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => board.missed(rowOf(reading)),
  },
  {
    name: 'pulselane_worker_restarts',
    type: 'counter',
    help: 'Restarts of the process of the worker, as far as this master saw them.',
    lifetime: 'known',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => board.restarts(rowOf(reading)),
  },
  {
    name: 'pulselane_worker_clock_skew_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'How far the clock of the worker is ahead of that of the master; negative if it is behind.',
    lifetime: 'active',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => secondsIn(board.skewMs(rowOf(reading))),
  },
  {
    name: 'pulselane_worker_anomaly_score',
    type: 'gauge',
    help: 'How unusual the newest sample of the worker is, from 0 to 1; it is an anomaly from a half on.',
    lifetime: 'active',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => {
      reading.touched();
      return scoreOf(reading.entry, board)?.score;
    },
  },
  {
    name: 'pulselane_worker_stuck',
    type: 'gauge',
    help: 'Whether the worker sends heartbeats but makes no progress (1) or not (0).',
    lifetime: 'known',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => Number(board.stuck(rowOf(reading)) !== undefined),
  },
  {
    name: 'pulselane_worker_flapping',
    type: 'gauge',
    help: 'Whether the worker has become inactive and active again too often recently (1) or not (0).',
    lifetime: 'known',
    collection: 'health',
    shape: 'number',
    read: (reading, { board }) => Number(board.isFlapping(rowOf(reading))),
  },
  {
    name: 'pulselane_worker_lane_state',
    type: 'stateset',
    help: 'The state of the lane that serves the worker.',
    lifetime: 'known',
    collection: 'lane',
    shape: 'state',
    stateLabel: 'lane_state',
    states: LANE_STATES,
    read: (reading, { board }) => board.lane(rowOf(reading)).state,
  },
  {
    name: 'pulselane_worker_gpu_utilization_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Utilization of one GPU.',
    lifetime: 'active',
    collection: 'gpu',
    shape: 'device',
    read: ({ utilizationPercent }) => ratioIn(utilizationPercent),
  },
  {
    name: 'pulselane_worker_gpu_memory_used_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Used memory of one GPU.',
    lifetime: 'active',
    collection: 'gpu',
    shape: 'device',
    read: ({ memoryUsedBytes }) => memoryUsedBytes,
  },
  {
    name: 'pulselane_worker_gpu_memory_total_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of one GPU.',
    lifetime: 'active',
    collection: 'gpu',
    shape: 'device',
    read: ({ memoryTotalBytes }) => memoryTotalBytes,
  },
  {
    name: 'pulselane_worker_gpu_temperature_celsius',
    type: 'gauge',
    unit: 'celsius',
    help: 'Temperature of one GPU.',
    lifetime: 'active',
    collection: 'gpu',
    shape: 'device',
    read: ({ temperatureCelsius }) => temperatureCelsius,
  },
  {
    name: 'pulselane_worker_gpu_power_watts',
    type: 'gauge',
    unit: 'watts',
    help: 'Power draw of one GPU.',
    lifetime: 'active',
    collection: 'gpu',
    shape: 'device',
    read: ({ powerWatts }) => powerWatts,
  },
];

function secondsIn(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
