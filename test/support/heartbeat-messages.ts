/** Arbitrary heartbeat messages, awkward ones included. */
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { GpuSchema, HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';

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
