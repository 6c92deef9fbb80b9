import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { heartbeatOf } from '../../src/agent/sender/compose.ts';
import { checkAgentOptions } from '../../src/agent/settings.ts';
import { Workload } from '../../src/agent/workload.ts';
import { HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { decodeHeartbeat } from '../../src/lane/decode.ts';
import {
  fitted,
  loadOfMetric,
  loadOfTask,
  MAX_DEVICES,
  MAX_MESSAGE_BYTES,
  MAX_RECORD_BYTES,
  MAX_TASKS_AND_METRICS,
} from '../../src/model/heartbeat-limits.ts';
import { scanHeartbeat } from '../../src/model/heartbeat-scan.ts';
import { recordJsonHead, taskJson } from '../../src/model/record-json.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { repetitions } from '../support/repetitions.ts';

const SETTINGS = checkAgentOptions({ workerId: 'w'.repeat(256), master: '127.0.0.1:1' });
const gpu = { index: 4_000_000, uuid: 'u'.repeat(64), name: 'n'.repeat(64), utilizationPercent: 33.33333333333333 };

/** As the agent composes it, with all that a machine may have. */
function heartbeatBytes(workload: Pick<Workload, 'tasks' | 'metrics'>): Buffer {
  const heartbeat = heartbeatOf({
    settings: SETTINGS,
    usages: {
      cpuPercent: 1 / 3,
      memoryPercent: 1 / 3,
      storagePercent: 1 / 3,
      gpuPercent: 1 / 3,
      gpus: Array.from({ length: MAX_DEVICES + 50 }, () => gpu),
    },
    tasks: workload.tasks(),
    metrics: workload.metrics(),
    endedTasks: [],
    sequence: Number.MAX_SAFE_INTEGER,
    sentAtUnixMs: 1_795_456_495_000,
    hostLoopLagMs: 1 / 3,
    lastRoundTripMs: 1 / 3,
    leaving: false,
  });
  return Buffer.from(toBinary(HeartbeatSchema, heartbeat));
}

/** What a master says to it: at its door, and when its lane has made a record of it. */
function expectTaken(bytes: Buffer): void {
  scanHeartbeat(bytes);
  expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
  expect(Buffer.byteLength(recordJsonHead(decodeHeartbeat(bytes)))).toBeLessThanOrEqual(MAX_RECORD_BYTES);
}

/** @returns how many it took, and the reason that it gave for taking no more */
function fill(most: number, give: (n: number) => void): { taken: number; reason: string } {
  for (let taken = 0; taken < most; taken++) {
    try {
      give(taken);
    } catch (error) {
      return { taken, reason: (error as Error).message };
    }
  }
  return { taken: most, reason: '' };
}

describe('whatever an agent takes, a master takes', () => {
  test('as many tasks and metrics as there may be together', () => {
    const workload = new Workload();
    fill(9000, (n) => workload.setMetric(`m${n}`, 1 / 3));
    const { taken, reason } = fill(60_000, (n) => workload.addTask({ taskId: `t${n}` }, 0));
    expect(taken).toBe(MAX_TASKS_AND_METRICS - 9000);
    expect(reason).toBe(
      `taskId "t${taken}" is one above the ${MAX_TASKS_AND_METRICS} tasks and metrics that a heartbeat may hold`,
    );
    expect(() => workload.setMetric('one more', 1)).toThrow('is one above');
    workload.setMetric('m1', 2);
    expectTaken(heartbeatBytes(workload));
    workload.removeTask('t0');
    workload.setMetric('one more', 1);
  });

  test.each([
    ['long names', 'x', /more than 4194304 bytes$/],
    ['names that JSON makes six times as long', '\u0001', /more than 8388608 bytes as the master’s JSON$/],
    ['names that JSON makes twice as long', '"', /bytes/],
  ])('%s, up to what a message and its record may have', (_, letter, expected) => {
    const workload = new Workload();
    const nameOf = (n: number) => `${n}${letter.repeat(250)}`;
    const { taken, reason } = fill(60_000, (n) =>
      workload.addTask(
        {
          taskId: nameOf(n),
          progress: 1 / 3,
          startedAtUnixMs: Number.MAX_SAFE_INTEGER,
          cpuAllocated: 1 / 3,
        },
        0,
      ),
    );
    expect(taken).toBeGreaterThan(4000);
    expect(reason).toMatch(expected);
    expectTaken(heartbeatBytes(workload));
    // What gets smaller is taken, and makes room.
    workload.updateTask(nameOf(0), { progress: 0 });
    workload.removeTask(nameOf(1));
    workload.addTask({ taskId: nameOf(1) }, 0);
  });
});

const taskId = fc.string({ unit: ANY_CHARACTER, maxLength: 200 }).map((text) => text.toWellFormed());
const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const task = fc.record(
  {
    taskId,
    cpuAllocated: amount,
    memoryAllocated: amount,
    gpuAllocated: amount,
    status: taskId,
    progress: amount,
    startedAtUnixMs: fc.maxSafeNat(),
  },
  { requiredKeys: ['taskId', 'cpuAllocated', 'memoryAllocated', 'gpuAllocated', 'status'] },
);

test('what a task and a metric are said to take is never less than what they take', () => {
  fc.assert(
    fc.property(task, taskId, amount, (someTask, name, value) => {
      const { startedAtUnixMs = 0, ...rest } = someTask;
      const ofTask = toBinary(
        HeartbeatSchema,
        create(HeartbeatSchema, {
          runningTasks: [create(RunningTaskSchema, { ...rest, startedAtUnixMs: BigInt(startedAtUnixMs) })],
        }),
      );
      const taken = loadOfTask(someTask);
      expect(ofTask.length).toBeLessThanOrEqual(taken.messageBytes);
      expect(Buffer.byteLength(taskJson(someTask)) + 1).toBeLessThanOrEqual(taken.recordBytes);
      const ofMetric = toBinary(HeartbeatSchema, create(HeartbeatSchema, { metrics: { [name]: value } }));
      expect(ofMetric.length).toBeLessThanOrEqual(loadOfMetric(name).messageBytes);
      expect(Buffer.byteLength(`${JSON.stringify(name)}:${value},`)).toBeLessThanOrEqual(
        loadOfMetric(name).recordBytes,
      );
    }),
    { numRuns: repetitions(200, 10_000) },
  );
});

test('of what does not fit, tasks come first, and what is left out is counted', () => {
  const limits = fc.record({
    messageBytes: fc.integer({ min: 1024, max: 20_000 }),
    recordBytes: fc.integer({ min: 4096, max: 20_000 }),
  });
  const metrics = fc.array(fc.tuple(taskId, amount), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(task, { maxLength: 30 }), metrics, limits, (tasks, allMetrics, most) => {
      const fits = fitted(tasks, allMetrics, most);
      expect(fits.tasks.length + fits.leftOut.tasks).toBe(tasks.length);
      expect(fits.metrics.length + fits.leftOut.metrics).toBe(allMetrics.length);
      const loads = [...fits.tasks.map(loadOfTask), ...fits.metrics.map(([name]) => loadOfMetric(name))];
      expect(loads.reduce((sum, load) => sum + load.messageBytes, 0)).toBeLessThan(most.messageBytes);
      expect(loads.reduce((sum, load) => sum + load.recordBytes, 0)).toBeLessThan(most.recordBytes);
    }),
  );
});
