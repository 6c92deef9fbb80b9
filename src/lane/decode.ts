/**
 * Decodes the Heartbeat message of proto/pulselane/v1/telemetry.proto, a superset of the legacy one. The full protobuf
 * library would cost each lane 3 MB and 20 ms; a property test compares this decoder with the library.
 *
 * Each message type has its own loop over fields: a generic loop with a callback per field took twice as long. Error
 * texts are built only when an error occurs.
 */
import { MAX_ENDED_TASKS } from '../model/heartbeat-limits.ts';
import { ENDED_TASK_OUTCOMES, type EndedTask, type GpuUsage, type RunningTask } from '../model/telemetry.ts';
import type { KnownTasks } from './known-tasks.ts';
import { WireReader } from './wire-reader.ts';

/** A heartbeat. `runningTasks` is undefined if the tasks are unchanged, see known-tasks.ts. */
export interface ReadHeartbeat {
  workerId: string;
  cpuUsage: number;
  memoryUsage: number;
  storageUsage: number;
  gpuUsage: number;
  runningTasks: RunningTask[] | undefined;
  endedTasks: readonly EndedTask[];
  gpus: GpuUsage[];
  metrics: Map<string, number>;
  sequence: number;
  sentAtUnixMs: number;
  hostLoopLagMs: number;
  lastRoundTripMs: number;
}

export interface DecodedHeartbeat extends ReadHeartbeat {
  runningTasks: RunningTask[];
}

/** The bytes are not a valid Heartbeat. The message says where. */
export class MalformedHeartbeat extends Error {}

/** Shared placeholder for "no metrics", never handed out: creating a map costs as much as reading five numbers. */
const NO_METRICS: Map<string, number> = new Map();
/** Nearly all heartbeats have none. */
const NO_ENDED_TASKS: readonly EndedTask[] = [];

/** @throws MalformedHeartbeat */
export function decodeHeartbeat(bytes: Uint8Array): DecodedHeartbeat {
  return decodeWhole(new WireReader(bytes));
}

/** @throws MalformedHeartbeat */
export function decodeWhole(message: WireReader): DecodedHeartbeat {
  return read(message, '', undefined) as DecodedHeartbeat;
}

/**
 * Decodes the worker's next heartbeat, reusing what has not changed.
 * @throws MalformedHeartbeat
 */
export function decodeNext(message: WireReader, workerId: string, known: KnownTasks): ReadHeartbeat {
  const start = message.at;
  const heartbeat = read(message, workerId, known);
  if (heartbeat !== undefined) return heartbeat;
  message.at = start;
  return read(message, workerId, undefined) as ReadHeartbeat;
}

/** @returns undefined if `known` is given and the tasks have changed. */
function read(reader: WireReader, workerId: string, known: KnownTasks | undefined): ReadHeartbeat | undefined {
  const heartbeat: ReadHeartbeat = {
    workerId: '',
    cpuUsage: 0,
    memoryUsage: 0,
    storageUsage: 0,
    gpuUsage: 0,
    runningTasks: [],
    endedTasks: NO_ENDED_TASKS,
    gpus: [],
    metrics: known === undefined ? new Map() : NO_METRICS,
    sequence: 0,
    sentAtUnixMs: 0,
    hostLoopLagMs: 0,
    lastRoundTripMs: 0,
  };
  let field = 0;
  try {
    while (reader.at < reader.end) {
      const start = reader.at;
      field = reader.tag();
      switch (field) {
        case 1:
          heartbeat.workerId = reader.stringLike(workerId);
          break;
        case 2:
          heartbeat.cpuUsage = reader.double();
          break;
        case 3:
          heartbeat.memoryUsage = reader.double();
          break;
        case 4:
          heartbeat.storageUsage = reader.double();
          break;
        case 5:
          if (known === undefined) {
            const tasks = heartbeat.runningTasks as RunningTask[];
            tasks.push(readTask(reader, tasks.length));
            break;
          }
          // Further tasks after the known ones are a change, too.
          if (heartbeat.runningTasks === undefined || !known.pass(reader, start)) return undefined;
          heartbeat.runningTasks = undefined;
          break;
        case 6:
          heartbeat.gpuUsage = reader.double();
          break;
        case 16:
          heartbeat.sequence = reader.uint64();
          break;
        case 17:
          heartbeat.sentAtUnixMs = reader.int64();
          break;
        case 19:
          if (heartbeat.metrics === NO_METRICS) heartbeat.metrics = new Map();
          readMetric(reader, heartbeat.metrics);
          break;
        case 20:
          heartbeat.gpus.push(readGpu(reader, heartbeat.gpus.length));
          break;
        case 21:
          heartbeat.hostLoopLagMs = reader.double();
          break;
        case 22:
          heartbeat.lastRoundTripMs = reader.double();
          break;
        case 24:
          heartbeat.endedTasks = withEndedTask(reader, heartbeat.endedTasks);
          break;
        default:
          reader.skip(field);
      }
    }
    return heartbeat;
  } catch (error) {
    throw malformed(error, 'heartbeat', field);
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readTask(reader: WireReader, index: number): RunningTask {
  const task: Mutable<RunningTask> = { taskId: '', cpuAllocated: 0, memoryAllocated: 0, gpuAllocated: 0, status: '' };
  const end = reader.nestedEnd();
  let field = 0;
  try {
    checkEnd(reader, end);
    while (reader.at < end) {
      field = reader.tag();
      switch (field) {
        case 1:
          task.taskId = reader.string();
          break;
        case 2:
          task.cpuAllocated = reader.double();
          break;
        case 3:
          task.memoryAllocated = reader.double();
          break;
        case 4:
          task.status = reader.string();
          break;
        case 5:
          task.gpuAllocated = reader.double();
          break;
        case 16: {
          const startedAt = reader.int64();
          if (startedAt === 0) delete task.startedAtUnixMs;
          else task.startedAtUnixMs = startedAt;
          break;
        }
        case 17:
          task.progress = reader.double();
          break;
        default:
          reader.skip(field);
      }
    }
    checkEnded(reader, end);
    return task;
  } catch (error) {
    throw malformed(error, `running_tasks[${index}]`, field);
  }
}

/** Appends to its own array only. Stops at the limit: further entries could exhaust the lane's memory. */
function withEndedTask(reader: WireReader, before: readonly EndedTask[]): readonly EndedTask[] {
  if (before.length === MAX_ENDED_TASKS) {
    throw new MalformedHeartbeat(`ended_tasks has more than ${MAX_ENDED_TASKS} entries`);
  }
  const tasks = before === NO_ENDED_TASKS ? [] : (before as EndedTask[]);
  tasks.push(readEndedTask(reader, tasks.length));
  return tasks;
}

function readEndedTask(reader: WireReader, index: number): EndedTask {
  const task: Mutable<EndedTask> = { taskId: '' };
  const end = reader.nestedEnd();
  let field = 0;
  try {
    checkEnd(reader, end);
    while (reader.at < end) {
      field = reader.tag();
      switch (field) {
        case 1:
          task.taskId = reader.string();
          break;
        case 2: {
          const startedAt = reader.int64();
          if (startedAt === 0) delete task.startedAtUnixMs;
          else task.startedAtUnixMs = startedAt;
          break;
        }
        case 3: {
          const endedAt = reader.int64();
          if (endedAt === 0) delete task.endedAtUnixMs;
          else task.endedAtUnixMs = endedAt;
          break;
        }
        case 4: {
          // 0 and outcomes of a later protocol are unknown.
          const outcome = ENDED_TASK_OUTCOMES[(reader.uint32() | 0) - 1];
          if (outcome === undefined) delete task.outcome;
          else task.outcome = outcome;
          break;
        }
        case 5:
          task.exitCode = reader.uint32() | 0;
          break;
        case 6:
          task.cpuSeconds = reader.double();
          break;
        case 7:
          task.maxRssBytes = reader.uint64();
          break;
        default:
          reader.skip(field);
      }
    }
    checkEnded(reader, end);
    return task;
  } catch (error) {
    throw malformed(error, `ended_tasks[${index}]`, field);
  }
}

function readGpu(reader: WireReader, index: number): GpuUsage {
  const gpu: Mutable<GpuUsage> = { index: 0, uuid: '', name: '' };
  const end = reader.nestedEnd();
  let field = 0;
  try {
    checkEnd(reader, end);
    while (reader.at < end) {
      field = reader.tag();
      switch (field) {
        case 1:
          gpu.index = reader.uint32();
          break;
        case 2:
          gpu.uuid = reader.string();
          break;
        case 3:
          gpu.name = reader.string();
          break;
        case 4:
          gpu.utilizationPercent = reader.double();
          break;
        case 5:
          gpu.memoryUsedBytes = reader.double();
          break;
        case 6:
          gpu.memoryTotalBytes = reader.double();
          break;
        case 7:
          gpu.temperatureCelsius = reader.double();
          break;
        case 8:
          gpu.powerWatts = reader.double();
          break;
        case 9: {
          const parentUuid = reader.string();
          if (parentUuid === '') delete gpu.parentUuid;
          else gpu.parentUuid = parentUuid;
          break;
        }
        default:
          reader.skip(field);
      }
    }
    checkEnded(reader, end);
    return gpu;
  } catch (error) {
    throw malformed(error, `gpus[${index}]`, field);
  }
}

/** Reads an entry of a protobuf map: a message of key (1) and value (2). The last entry of a key wins. */
function readMetric(reader: WireReader, metrics: Map<string, number>): void {
  let name = '';
  let value = 0;
  const end = reader.nestedEnd();
  let field = 0;
  try {
    checkEnd(reader, end);
    while (reader.at < end) {
      field = reader.tag();
      if (field === 1) name = reader.string();
      else if (field === 2) value = reader.double();
      else reader.skip(field);
    }
    checkEnded(reader, end);
    metrics.set(name, value);
  } catch (error) {
    throw malformed(error, 'metrics', field);
  }
}

function checkEnd(reader: WireReader, end: number): void {
  if (end > reader.end) throw new Error('truncated message');
}

function checkEnded(reader: WireReader, end: number): void {
  if (reader.at !== end) throw new Error('a field extends beyond the end of its message');
}

function malformed(error: unknown, path: string, field: number): MalformedHeartbeat {
  // A nested message has already built the text.
  if (error instanceof MalformedHeartbeat) return error;
  return new MalformedHeartbeat(`${path} is malformed at field ${field}: ${(error as Error).message}`);
}
