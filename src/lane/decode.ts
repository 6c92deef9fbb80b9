/**
 * The lane's decoder: the heartbeat of proto/pulselane/v1/telemetry.proto (and so of the seed's service) by the wire
 * reader of @bufbuild/protobuf alone. The full library would cost each lane 3 MB and 20 ms; a property test holds this
 * decoder to the library's result.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { GpuUsage, RunningTask } from '../model/telemetry.ts';

export interface DecodedHeartbeat {
  workerId: string;
  cpuUsage: number;
  memoryUsage: number;
  storageUsage: number;
  gpuUsage: number;
  runningTasks: RunningTask[];
  gpus: GpuUsage[];
  metrics: Map<string, number>;
  sequence: number;
  sentAtUnixMs: number;
  hostLoopLagMs: number;
  lastRoundTripMs: number;
}

/** The bytes are not such a message. The message says where. */
export class MalformedHeartbeat extends Error {}

/** @throws MalformedHeartbeat */
export function decodeHeartbeat(bytes: Uint8Array): DecodedHeartbeat {
  const heartbeat: DecodedHeartbeat = {
    workerId: '',
    cpuUsage: 0,
    memoryUsage: 0,
    storageUsage: 0,
    gpuUsage: 0,
    runningTasks: [],
    gpus: [],
    metrics: new Map(),
    sequence: 0,
    sentAtUnixMs: 0,
    hostLoopLagMs: 0,
    lastRoundTripMs: 0,
  };
  const reader = new BinaryReader(bytes);
  readFields(reader, bytes.length, 'heartbeat', (field, wireType) => {
    switch (field) {
      case 1:
        heartbeat.workerId = readString(reader, wireType);
        return true;
      case 2:
        heartbeat.cpuUsage = readDouble(reader, wireType);
        return true;
      case 3:
        heartbeat.memoryUsage = readDouble(reader, wireType);
        return true;
      case 4:
        heartbeat.storageUsage = readDouble(reader, wireType);
        return true;
      case 5:
        heartbeat.runningTasks.push(readTask(reader, wireType, `running_tasks[${heartbeat.runningTasks.length}]`));
        return true;
      case 6:
        heartbeat.gpuUsage = readDouble(reader, wireType);
        return true;
      case 16:
        heartbeat.sequence = readUint64(reader, wireType);
        return true;
      case 17:
        heartbeat.sentAtUnixMs = readInt64(reader, wireType);
        return true;
      case 19:
        readMetric(reader, wireType, heartbeat.metrics);
        return true;
      case 20:
        heartbeat.gpus.push(readGpu(reader, wireType, `gpus[${heartbeat.gpus.length}]`));
        return true;
      case 21:
        heartbeat.hostLoopLagMs = readDouble(reader, wireType);
        return true;
      case 22:
        heartbeat.lastRoundTripMs = readDouble(reader, wireType);
        return true;
      default:
        return false;
    }
  });
  return heartbeat;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readTask(reader: BinaryReader, wireType: WireType, path: string): RunningTask {
  const task: Mutable<RunningTask> = {
    taskId: '',
    cpuAllocated: 0,
    memoryAllocated: 0,
    gpuAllocated: 0,
    status: '',
  };
  readMessage(reader, wireType, path, (field, fieldWireType) => {
    switch (field) {
      case 1:
        task.taskId = readString(reader, fieldWireType);
        return true;
      case 2:
        task.cpuAllocated = readDouble(reader, fieldWireType);
        return true;
      case 3:
        task.memoryAllocated = readDouble(reader, fieldWireType);
        return true;
      case 4:
        task.status = readString(reader, fieldWireType);
        return true;
      case 5:
        task.gpuAllocated = readDouble(reader, fieldWireType);
        return true;
      case 16: {
        const startedAt = readInt64(reader, fieldWireType);
        if (startedAt === 0) delete task.startedAtUnixMs;
        else task.startedAtUnixMs = startedAt;
        return true;
      }
      case 17:
        task.progress = readDouble(reader, fieldWireType);
        return true;
      default:
        return false;
    }
  });
  return task;
}

function readGpu(reader: BinaryReader, wireType: WireType, path: string): GpuUsage {
  const gpu: Mutable<GpuUsage> = { index: 0, uuid: '', name: '' };
  readMessage(reader, wireType, path, (field, fieldWireType) => {
    switch (field) {
      case 1:
        gpu.index = readUint32(reader, fieldWireType);
        return true;
      case 2:
        gpu.uuid = readString(reader, fieldWireType);
        return true;
      case 3:
        gpu.name = readString(reader, fieldWireType);
        return true;
      case 4:
        gpu.utilizationPercent = readDouble(reader, fieldWireType);
        return true;
      case 5:
        gpu.memoryUsedBytes = readDouble(reader, fieldWireType);
        return true;
      case 6:
        gpu.memoryTotalBytes = readDouble(reader, fieldWireType);
        return true;
      case 7:
        gpu.temperatureCelsius = readDouble(reader, fieldWireType);
        return true;
      case 8:
        gpu.powerWatts = readDouble(reader, fieldWireType);
        return true;
      default:
        return false;
    }
  });
  return gpu;
}

/** An entry of a protobuf map: a message of key (1) and value (2); the last entry of a key wins. */
function readMetric(reader: BinaryReader, wireType: WireType, metrics: Map<string, number>): void {
  let name = '';
  let value = 0;
  readMessage(reader, wireType, 'metrics', (field, fieldWireType) => {
    if (field === 1) name = readString(reader, fieldWireType);
    else if (field === 2) value = readDouble(reader, fieldWireType);
    else return false;
    return true;
  });
  metrics.set(name, value);
}

/** Reads one field's value, or returns false for a field it does not know. */
type FieldReader = (field: number, wireType: WireType) => boolean;

function readMessage(reader: BinaryReader, wireType: WireType, path: string, read: FieldReader): void {
  expectWireType(wireType, WireType.LengthDelimited);
  const bytes = reader.uint32();
  readFields(reader, reader.pos + bytes, path, read);
}

function readFields(reader: BinaryReader, end: number, path: string, read: FieldReader): void {
  let field = 0;
  try {
    if (end > reader.len) throw new Error('it is cut short');
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      field = number;
      if (!read(number, wireType)) reader.skip(wireType, number);
    }
    if (reader.pos !== end) throw new Error('a field runs over its end');
  } catch (error) {
    if (error instanceof MalformedHeartbeat) throw error;
    throw new MalformedHeartbeat(`${path} is malformed at field ${field}: ${(error as Error).message}`);
  }
}

function expectWireType(found: WireType, expected: WireType): void {
  if (found !== expected) throw new Error(`wire type ${found}, expected ${expected}`);
}

function readString(reader: BinaryReader, wireType: WireType): string {
  expectWireType(wireType, WireType.LengthDelimited);
  return reader.string(true);
}

function readDouble(reader: BinaryReader, wireType: WireType): number {
  expectWireType(wireType, WireType.Bit64);
  return reader.double();
}

function readUint32(reader: BinaryReader, wireType: WireType): number {
  expectWireType(wireType, WireType.Varint);
  return reader.uint32();
}

function readUint64(reader: BinaryReader, wireType: WireType): number {
  expectWireType(wireType, WireType.Varint);
  return Number(reader.uint64());
}

function readInt64(reader: BinaryReader, wireType: WireType): number {
  expectWireType(wireType, WireType.Varint);
  return Number(reader.int64());
}
