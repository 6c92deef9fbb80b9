/**
 * A record as JSON text: the legacy object of one worker, in two parts. The lane writes the head, which is everything
 * except `last_update` and `is_active`; readers append the tail from the board, since main updates these independently
 * of the lane. Members that the legacy object does not have (storage, metrics, devices, …) follow its own.
 */
import type { GpuUsage, RunningTask, WorkerTelemetry } from './telemetry.ts';

/** No task has a member of this name. */
export const BEHIND_TASKS_BEGIN = ',"storage_usage":';
/** No task has a member of this name, and only devices follow the metrics. */
const METRICS_BEGIN = ',"metrics":{';
const GPUS_BEGIN = ',"gpus":[';

/** A decoded, validated heartbeat, from which a record is made. */
export interface RecordSource {
  readonly workerId: string;
  readonly cpuUsage: number;
  readonly memoryUsage: number;
  readonly storageUsage: number;
  readonly gpuUsage: number;
  readonly runningTasks: readonly RunningTask[];
  readonly gpus: readonly GpuUsage[];
  readonly metrics: ReadonlyMap<string, number>;
}

/** The head in three parts: the tasks are most of it, and seldom change. */
export interface RecordJsonParts {
  readonly before: string;
  /** undefined: the same as in the previous record. */
  readonly tasks: string | undefined;
  readonly after: string;
}

export function recordJsonParts(
  source: Omit<RecordSource, 'runningTasks'> & { readonly runningTasks: readonly RunningTask[] | undefined },
): RecordJsonParts {
  return {
    before:
      `{"worker_id":${JSON.stringify(source.workerId)}` +
      `,"cpu_usage":${num(source.cpuUsage)},"memory_usage":${num(source.memoryUsage)},"gpu_usage":${num(source.gpuUsage)}` +
      ',"running_tasks":[',
    tasks: source.runningTasks?.map(taskJson).join(','),
    after:
      `]${BEHIND_TASKS_BEGIN}${num(source.storageUsage)}` +
      (source.metrics.size === 0 ? '' : `${METRICS_BEGIN}${metricsJson(source.metrics)}}`) +
      (source.gpus.length === 0 ? '' : `${GPUS_BEGIN}${source.gpus.map(gpuJson).join(',')}]`),
  };
}

/** The object's text up to and including the comma before `last_update`. */
export function recordJsonHead(source: RecordSource): string {
  const { before, tasks, after } = recordJsonParts(source);
  return `${before}${tasks}${after}`;
}

/** The rest of the object: the board's part and the closing brace. Always ASCII. */
export function recordJsonTail(lastUpdateS: number, isActive: boolean): string {
  return `,"last_update":${lastUpdateS},"is_active":${isActive}}`;
}

/**
 * The custom metrics in a head, as the text of an object; undefined if there are none. Found without parsing the head:
 * inside a JSON string every quotation mark is escaped, so a comma, a quotation mark and a name can only be the start
 * of a member.
 */
export function metricsTextIn(head: string): string | undefined {
  const begin = head.indexOf(METRICS_BEGIN);
  if (begin === -1) return undefined;
  const from = begin + METRICS_BEGIN.length - 1;
  const end = head.indexOf(GPUS_BEGIN, from);
  return head.slice(from, end === -1 ? undefined : end);
}

/** The devices in a head, as the text of an array; undefined if there are none. Found in the same way: only the last member is their list. */
export function gpusTextIn(head: string): string | undefined {
  // The last character tells: see SlotReader.listsGpus.
  if (!head.endsWith(']')) return undefined;
  const begin = head.lastIndexOf(GPUS_BEGIN);
  return begin === -1 ? undefined : head.slice(begin + GPUS_BEGIN.length - 1);
}

/** The record of a worker that has not sent anything yet: zeros. */
export function emptyRecordJsonHead(workerId: string): string {
  return recordJsonHead({
    workerId,
    cpuUsage: 0,
    memoryUsage: 0,
    storageUsage: 0,
    gpuUsage: 0,
    runningTasks: [],
    gpus: [],
    metrics: new Map(),
  });
}

/** String() formats a finite number as JSON requires. */
function num(value: number): string {
  return String(value);
}

export function taskJson(task: RunningTask): string {
  return (
    `{"task_id":${JSON.stringify(task.taskId)},"cpu_allocated":${num(task.cpuAllocated)}` +
    `,"memory_allocated":${num(task.memoryAllocated)},"gpu_allocated":${num(task.gpuAllocated)}` +
    `,"status":${JSON.stringify(task.status)}` +
    (task.startedAtUnixMs === undefined ? '' : `,"started_at_unix_ms":${num(task.startedAtUnixMs)}`) +
    (task.progress === undefined ? '' : `,"progress":${num(task.progress)}`) +
    '}'
  );
}

/** The members, without braces. */
function metricsJson(metrics: ReadonlyMap<string, number>): string {
  const members = Array.from(metrics, ([name, value]) => `${JSON.stringify(name)}:${num(value)}`);
  return members.join(',');
}

function gpuJson(gpu: GpuUsage): string {
  return JSON.stringify({
    index: gpu.index,
    uuid: gpu.uuid,
    name: gpu.name,
    utilization_percent: gpu.utilizationPercent,
    memory_used_bytes: gpu.memoryUsedBytes,
    memory_total_bytes: gpu.memoryTotalBytes,
    temperature_celsius: gpu.temperatureCelsius,
    power_watts: gpu.powerWatts,
    parent_uuid: gpu.parentUuid,
  });
}

/** The legacy object of one worker, as answered by `GET /telemetry/{id}`. */
export interface TelemetryJson {
  readonly worker_id: string;
  readonly cpu_usage: number;
  readonly memory_usage: number;
  readonly gpu_usage: number;
  readonly running_tasks: readonly {
    readonly task_id: string;
    readonly cpu_allocated: number;
    readonly memory_allocated: number;
    readonly gpu_allocated: number;
    readonly status: string;
    readonly started_at_unix_ms?: number;
    readonly progress?: number;
  }[];
  readonly storage_usage: number;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly gpus?: readonly {
    readonly index: number;
    readonly uuid: string;
    readonly name: string;
    readonly utilization_percent?: number;
    readonly memory_used_bytes?: number;
    readonly memory_total_bytes?: number;
    readonly temperature_celsius?: number;
    readonly power_watts?: number;
    readonly parent_uuid?: string;
  }[];
  readonly last_update: number;
  readonly is_active: boolean;
}

/** Converts the API's object to the library's. */
export function telemetryOfJson(record: TelemetryJson): WorkerTelemetry {
  return {
    workerId: record.worker_id,
    cpuUsage: record.cpu_usage,
    memoryUsage: record.memory_usage,
    storageUsage: record.storage_usage,
    gpuUsage: record.gpu_usage,
    runningTasks: record.running_tasks.map(taskOfJson),
    gpus: (record.gpus ?? []).map(gpuOfJson),
    metrics: record.metrics ?? {},
    lastUpdate: record.last_update,
    isActive: record.is_active,
  };
}

export function gpuOfJson(gpu: NonNullable<TelemetryJson['gpus']>[number]): GpuUsage {
  return {
    index: gpu.index,
    uuid: gpu.uuid,
    name: gpu.name,
    ...(gpu.utilization_percent === undefined ? {} : { utilizationPercent: gpu.utilization_percent }),
    ...(gpu.memory_used_bytes === undefined ? {} : { memoryUsedBytes: gpu.memory_used_bytes }),
    ...(gpu.memory_total_bytes === undefined ? {} : { memoryTotalBytes: gpu.memory_total_bytes }),
    ...(gpu.temperature_celsius === undefined ? {} : { temperatureCelsius: gpu.temperature_celsius }),
    ...(gpu.power_watts === undefined ? {} : { powerWatts: gpu.power_watts }),
    ...(gpu.parent_uuid === undefined ? {} : { parentUuid: gpu.parent_uuid }),
  };
}

/** Without spread syntax, which would take as long as parsing the text. */
export function taskOfJson(json: TelemetryJson['running_tasks'][number]): RunningTask {
  const task: { -readonly [Key in keyof RunningTask]: RunningTask[Key] } = {
    taskId: json.task_id,
    cpuAllocated: json.cpu_allocated,
    memoryAllocated: json.memory_allocated,
    gpuAllocated: json.gpu_allocated,
    status: json.status,
  };
  if (json.started_at_unix_ms !== undefined) task.startedAtUnixMs = json.started_at_unix_ms;
  if (json.progress !== undefined) task.progress = json.progress;
  return task;
}
