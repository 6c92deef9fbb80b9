/** Arbitrary heartbeat messages, awkward ones included. */
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  EndedTaskSchema,
  GpuSchema,
  HeartbeatSchema,
  RunningTaskSchema,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const double = fc.double();
const time = fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n });

const tasks = fc
  .record({
    taskId: text,
    cpuAllocated: double,
    memoryAllocated: double,
    gpuAllocated: double,
    status: text,
    startedAtUnixMs: time,
    progress: maybe(double),
  })
  .map(({ progress, ...task }) => create(RunningTaskSchema, progress === undefined ? task : { ...task, progress }));

const endedTasks = fc
  .record({
    taskId: text,
    startedAtUnixMs: time,
    endedAtUnixMs: time,
    // Outcomes that nobody knows yet, too.
    outcome: fc.integer({ min: -1, max: 6 }),
    exitCode: maybe(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    cpuSeconds: maybe(double),
    maxRssBytes: maybe(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  })
  .map((task) =>
    create(EndedTaskSchema, Object.fromEntries(Object.entries(task).filter(([, value]) => value !== undefined))),
  );

const gpus = fc
  .record({
    index: fc.nat(64),
    uuid: text,
    name: text,
    utilizationPercent: maybe(double),
    memoryUsedBytes: maybe(double),
    memoryTotalBytes: maybe(double),
    temperatureCelsius: maybe(double),
    powerWatts: maybe(double),
    parentUuid: maybe(text),
  })
  .map((gpu) => create(GpuSchema, Object.fromEntries(Object.entries(gpu).filter(([, value]) => value !== undefined))));

export const heartbeatMessages = fc
  .record({
    workerId: text,
    cpuUsage: double,
    memoryUsage: double,
    storageUsage: double,
    gpuUsage: double,
    runningTasks: fc.array(tasks, { maxLength: 5 }),
    endedTasks: fc.array(endedTasks, { maxLength: 3 }),
    gpus: fc.array(gpus, { maxLength: 3 }),
    metrics: fc.dictionary(text, double, { maxKeys: 5, noNullPrototype: true }),
    sequence: fc.bigInt({ min: 0n, max: 2n ** 53n }),
    sentAtUnixMs: time,
    instanceId: text,
    hostLoopLagMs: double,
    lastRoundTripMs: double,
    leaving: fc.boolean(),
  })
  .map((heartbeat) => create(HeartbeatSchema, heartbeat));

/** Bytes of fields that no message of ours has, groups within groups among them. */
export const unknownFields: fc.Arbitrary<Buffer> = fc.letrec<{ field: Buffer; fields: Buffer }>((tie) => ({
  fields: fc.array(tie('field'), { maxLength: 3 }).map((fields) => Buffer.concat(fields)),
  field: fc
    .tuple(
      fc.integer({ min: 100, max: 120 }),
      fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.nat(127).map((value) => ({ wireType: 0, value: Buffer.of(value), end: undefined })),
        fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value) => ({ wireType: 1, value, end: undefined })),
        fc
          .uint8Array({ maxLength: 20 })
          .map((value) => ({ wireType: 2, value: Buffer.concat([Buffer.of(value.length), value]), end: undefined })),
        fc.uint8Array({ minLength: 4, maxLength: 4 }).map((value) => ({ wireType: 5, value, end: undefined })),
        tie('fields').map((value) => ({ wireType: 3, value, end: 4 })),
      ),
    )
    .map(([number, { wireType, value, end }]) =>
      Buffer.concat([tagOf(number, wireType), value, end === undefined ? Buffer.alloc(0) : tagOf(number, end)]),
    ),
})).fields;

/** Of two bytes: numbers from 16 to 2,047. */
function tagOf(number: number, wireType: number): Buffer {
  const tag = number * 8 + wireType;
  return Buffer.of((tag & 0x7f) | 0x80, tag >> 7);
}
