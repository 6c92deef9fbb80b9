/**
 * The heartbeats of a fleet, with four tasks each. Encoding each one would cost the load as much as it costs the master. So each
 * worker's bytes are made once, and only the values that change are overwritten. Tasks stay the same, as with real
 * workers.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';

/** For the earlier system's service, or for ours, where heartbeats have a sequence number. */
export type HeartbeatKind = 'cluster' | 'pulselane';

const TASKS = 4;
/** gRPC's message prefix: the compression flag and the length. */
const GRPC_PREFIX_BYTES = 5;
const DOUBLE_BYTES = 8;
const CPU_USAGE_TAG = [0x11];
const SEQUENCE_TAG = [0x80, 0x01];
const METRICS_TAG = [0x9a, 0x01];
/** Always five bytes, so that it can be overwritten. */
const SEQUENCE_BYTES = 5;

export function workerIdOf(worker: number): string {
  return `worker-${worker}`;
}

export function workerIds(count: number): string[] {
  return Array.from({ length: count }, (_, worker) => workerIdOf(worker));
}

export class Fleet {
  readonly size: number;
  readonly #messages: readonly Buffer[];
  readonly #sequences: Uint32Array;
  /** Where each custom metric's value is, from the end of a message. */
  readonly #metricsAt: readonly number[];
  readonly #tailBytes: number;

  /** @param metrics custom metrics of each worker, whose values change with each heartbeat */
  constructor(workers: number, kind: HeartbeatKind, idOf = workerIdOf, metrics = 0) {
    this.size = workers;
    const custom = Array.from({ length: metrics }, (_, metric) => customMetric(`bench.metric_${metric}`));
    const tail = [
      ...CPU_USAGE_TAG,
      ...new Array(DOUBLE_BYTES).fill(0),
      ...(kind === 'cluster' ? [] : [...SEQUENCE_TAG, ...new Array(SEQUENCE_BYTES).fill(0)]),
      ...custom.flat(),
    ];
    this.#metricsAt = custom.map((_, metric) => custom.slice(metric + 1).flat().length + DOUBLE_BYTES);
    this.#tailBytes = tail.length;
    this.#messages = Array.from({ length: workers }, (_, worker) =>
      framed([...unchanging(worker, kind, idOf), ...tail]),
    );
    this.#sequences = new Uint32Array(workers);
  }

  /** The worker's next heartbeat with gRPC's prefix. The bytes change with the worker's next call: copy them. */
  next(worker: number): Buffer {
    const message = this.#messages[worker] as Buffer;
    const sequence = (this.#sequences[worker] as number) + 1;
    this.#sequences[worker] = sequence;
    let at = message.length - this.#tailBytes + CPU_USAGE_TAG.length;
    message.writeDoubleLE(14.999999999997726 + (sequence % 50), at);
    at += DOUBLE_BYTES + SEQUENCE_TAG.length;
    if (at < message.length) writePaddedVarint(message, at, sequence);
    for (const fromEnd of this.#metricsAt) {
      message.writeDoubleLE(((worker + fromEnd + sequence) % 1000) / 8, message.length - fromEnd);
    }
    return message;
  }
}

/** gRPC's framing of one message. */
export function framed(message: Iterable<number>): Buffer {
  const bytes = Buffer.from([0, 0, 0, 0, 0, ...message]);
  bytes.writeUInt32BE(bytes.length - GRPC_PREFIX_BYTES, 1);
  return bytes;
}

/** The message within gRPC's framing. */
export function messageOf(framedBytes: Buffer): Buffer {
  return framedBytes.subarray(GRPC_PREFIX_BYTES);
}

/** An entry of the map of custom metrics; the value comes last. */
function customMetric(name: string): number[] {
  const text = [...Buffer.from(name)];
  const entry = [0x0a, text.length, ...text, 0x11, ...new Array(DOUBLE_BYTES).fill(0)];
  return [...METRICS_TAG, entry.length, ...entry];
}

function unchanging(worker: number, kind: HeartbeatKind, idOf: (worker: number) => string): Uint8Array {
  const heartbeat = create(HeartbeatSchema, {
    workerId: idOf(worker),
    memoryUsage: 40.25,
    storageUsage: 61.5,
    runningTasks: Array.from({ length: TASKS }, (_, task) =>
      create(RunningTaskSchema, {
        taskId: `task-${worker}-${task}`,
        cpuAllocated: 0.5,
        memoryAllocated: 0.25,
        status: 'running',
      }),
    ),
    ...(kind === 'cluster' ? {} : { sentAtUnixMs: BigInt(Date.now()) }),
  });
  return toBinary(HeartbeatSchema, heartbeat);
}

function writePaddedVarint(bytes: Buffer, at: number, value: number): void {
  for (let i = 0; i < SEQUENCE_BYTES; i++) {
    const hasMore = i < SEQUENCE_BYTES - 1 ? 0x80 : 0;
    bytes[at + i] = (Math.floor(value / 128 ** i) & 0x7f) | hasMore;
  }
}
