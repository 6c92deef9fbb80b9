import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EndedTaskSchema, HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { FrameBatch, FrameCursor, type HeartbeatFrame } from '../../src/lane/frames.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { ReasonCode } from '../../src/model/anomaly/reason.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../src/store/apply-times.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { type RecordAllowance, UNLIMITED } from '../../src/store/record-allowance.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { SHRINK_AFTER } from '../../src/store/slot-room.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { samplesOf } from '../support/samples-of.ts';

/** A lane without a thread, serving one worker called `w`. */
function laneFor(workerId = 'w', allowance: RecordAllowance = UNLIMITED, isScored = false) {
  const sent: FromLane[] = [];
  let deliver: (message: ToLane) => void = () => {};
  const port = {
    postMessage: (message: FromLane) => sent.push(message),
    onMessage: (listener: (message: ToLane) => void) => {
      deliver = listener;
    },
    close: () => {},
  };
  let memory = newSlot(workerId, 8, undefined, isScored);
  const publications = new Publications(allocatePublications(4));
  const start = () => {
    new Lane(port, {
      clock: new FakeClock(),
      allowance,
      publications,
      applyTimes: new ApplyTimesWriter(allocateApplyTimes(), 0),
    });
    deliver({ type: 'serve', slot: 3, occupant: 1, workerId, memory });
  };
  start();
  let ordinal = 0;
  let nowMs = 1;
  let heartbeatIntervalS = Number.NaN;
  const give = (bytes: Uint8Array, sampleFlags = 0) => {
    const batch = new FrameBatch();
    const received = { receivedMonotonicMs: nowMs, receivedUnixMs: 2000, heartbeatIntervalS };
    batch.add({ slot: 3, ordinal: ++ordinal, ...received, sampleFlags, bytes });
    deliver({ type: 'heartbeats', frames: batch.take() });
    const last = sent.at(-1);
    if (last?.type === 'grown') memory = last.memory;
  };
  return {
    sent,
    deliver,
    restart: start,
    set nowMs(ms: number) {
      nowMs = ms;
    },
    set heartbeatIntervalS(seconds: number) {
      heartbeatIntervalS = seconds;
    },
    give,
    send: (heartbeat: MessageInitShape<typeof HeartbeatSchema>) =>
      give(toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId, ...heartbeat }))),
    get slot() {
      return new SlotReader(memory);
    },
    /** Publications that were counted for the worker. */
    get counted() {
      return publications.of(3);
    },
  };
}

describe('scores', () => {
  /** Sends every 5 s. */
  function scored() {
    const lane = laneFor('w', UNLIMITED, true);
    let n = 0;
    const beats = (times: number, cpuUsage: number) => {
      for (let beat = 0; beat < times; beat++) {
        lane.nowMs = ++n * 5000;
        lane.send({ cpuUsage: cpuUsage + Math.sin(n * 1.7), memoryUsage: 40 + Math.cos(n * 0.9) });
      }
    };
    return { lane, beats };
  }

  test('what is unusual for long is told once as a new normal, and no longer unusual', () => {
    const { lane, beats } = scored();
    // Half a day: a worker that is new is learned faster.
    beats(8000, 20);
    beats(12, 80);
    expect(lane.slot.score?.cause).toMatchObject({ metric: 'cpu_usage' });
    expect(lane.sent.filter(({ type }) => type === 'accepted')).toEqual([]);
    beats(800, 80);
    const accepted = lane.sent.filter(({ type }) => type === 'accepted');
    expect(accepted).toMatchObject([{ slot: 3, occupant: 1, metric: 'cpu_usage' }]);
    expect(lane.slot.score?.score).toBeLessThan(0.5);
  });

  test('heartbeats that keep coming late are an anomaly of their interval', () => {
    const { lane, beats } = scored();
    lane.heartbeatIntervalS = 5;
    beats(500, 20);
    lane.heartbeatIntervalS = 40;
    beats(12, 20);
    expect(lane.slot.score?.cause).toMatchObject({ metric: 'heartbeat_interval', code: ReasonCode.above, value: 40 });
  });

  test('what is expected at this hour is no anomaly, also for the next thread of the lane', () => {
    const { lane, beats } = scored();
    const tell = (value: number, occupant = 1) =>
      lane.deliver({ type: 'expect', slot: 3, occupant, values: [['cpu_usage', value]] });
    tell(20);
    beats(500, 20);
    // Of the worker that had the row before.
    tell(-500, 0);
    tell(80);
    lane.restart();
    // As the model goes from one hour's value to the next one's: in about ten minutes.
    for (let beat = 1; beat <= 480; beat++) beats(1, 80 - 60 * (1 - 1 / 120) ** beat);
    expect(lane.slot.score?.score).toBeLessThan(0.5);
  });
});

test('a heartbeat becomes a record with the legacy members', () => {
  const lane = laneFor('node-a');
  lane.send({
    cpuUsage: 14.999999999997726,
    memoryUsage: 0.58,
    runningTasks: [create(RunningTaskSchema, { taskId: 't', cpuAllocated: 0.5, status: 'running' })],
    metrics: { queue: -3.5 },
    storageUsage: 140,
  });
  expect(JSON.parse(`${lane.slot.json('')}}`)).toEqual({
    worker_id: 'node-a',
    cpu_usage: 14.999999999997726,
    memory_usage: 0.58,
    gpu_usage: 0,
    running_tasks: [{ task_id: 't', cpu_allocated: 0.5, memory_allocated: 0, gpu_allocated: 0, status: 'running' }],
    storage_usage: 140,
    metrics: { queue: -3.5 },
  });
});

test.each([
  [{ cpuUsage: Number.NaN }, 'cpu_usage is NaN'],
  [{ memoryUsage: Number.POSITIVE_INFINITY }, 'memory_usage is Infinity'],
  [{ gpuUsage: -0.1 }, 'gpu_usage is -0.1'],
  [{ storageUsage: Number.NEGATIVE_INFINITY }, 'storage_usage is -Infinity'],
  [
    { runningTasks: [create(RunningTaskSchema), create(RunningTaskSchema, { memoryAllocated: -1 })] },
    'running_tasks[1].memory_allocated is -1',
  ],
  [{ runningTasks: [create(RunningTaskSchema, { progress: Number.NaN })] }, 'running_tasks[0].progress is NaN'],
  [{ metrics: { lat: Number.NaN } }, 'metrics["lat"] is NaN'],
  [{ hostLoopLagMs: Number.NaN }, 'host_loop_lag_ms is NaN'],
  [{ endedTasks: [create(EndedTaskSchema)] }, 'ended_tasks[0].task_id is empty'],
  [
    { endedTasks: [create(EndedTaskSchema, { taskId: 'a', startedAtUnixMs: -1n })] },
    'ended_tasks[0].started_at_unix_ms is -1, expected milliseconds since 1970',
  ],
  [
    { endedTasks: [create(EndedTaskSchema, { taskId: 'a', endedAtUnixMs: 2n ** 62n })] },
    'ended_tasks[0].ended_at_unix_ms is 4611686018427388000',
  ],
  [
    { endedTasks: [create(EndedTaskSchema, { taskId: 'a', cpuSeconds: Number.NaN })] },
    'ended_tasks[0].cpu_seconds is NaN',
  ],
  [
    { endedTasks: Array.from({ length: 1001 }, () => create(EndedTaskSchema, { taskId: 'a' })) },
    'ended_tasks has more than 1000 entries',
  ],
  [{ workerId: 'other' }, 'worker_id differs from the id that the main thread read'],
])('a heartbeat with %o is rejected, and the last good record stays', (bad, reason) => {
  const lane = laneFor();
  lane.send({ cpuUsage: 1 });
  const before = lane.slot.json('');
  lane.send({ cpuUsage: 2, ...(bad as object) });
  expect(lane.slot.json('')).toBe(before);
  expect(lane.slot.counts()).toEqual({ applied: 1, rejected: 1 });
  expect(lane.slot.lastRejection()?.reason).toContain(reason);
  expect(lane.slot.lastRejection()?.atUnixMs).toBe(2000);
  lane.send({ cpuUsage: 3 });
  expect(lane.slot.counts()).toEqual({ applied: 2, rejected: 1 });
});

test('a heartbeat with 10,000 running tasks is kept whole, in a slot that grew', () => {
  const lane = laneFor();
  lane.send({
    runningTasks: Array.from({ length: 10_000 }, (_, i) => create(RunningTaskSchema, { taskId: `task-${i}` })),
  });
  expect(lane.sent.map(({ type }) => type)).toEqual(['ready', 'grown']);
  expect(JSON.parse(`${lane.slot.json('')}}`).running_tasks).toHaveLength(10_000);
  expect(lane.slot.numbers()?.runningTasks).toBe(10_000);
});

test('a record that exceeds a limit is rejected with the reason, and the last good one stays', () => {
  const allowance = { ...UNLIMITED, maxRecordBytes: 20_000, maxCapacityBytes: 10_000, isShort: true };
  const lane = laneFor('w', allowance);
  const tasks = (count: number) =>
    Array.from({ length: count }, (_, i) => create(RunningTaskSchema, { taskId: `task-${i}`, status: 'running' }));
  lane.send({ cpuUsage: 1, runningTasks: tasks(50) });
  const before = lane.slot.json('');
  lane.send({ cpuUsage: 2, runningTasks: tasks(150) });
  expect(lane.slot.lastRejection()).toMatchObject({
    cause: 'record_memory',
    reason: expect.stringMatching(/not enough memory for a record of \d+ bytes as JSON; the limit is currently 8000/),
  });
  lane.send({ cpuUsage: 3, runningTasks: tasks(1000) });
  expect(lane.slot.lastRejection()).toMatchObject({
    cause: 'record_size',
    reason: expect.stringMatching(/has \d+ bytes as JSON; at most 20000 are allowed \(MAX_RECORD_SIZE\)/),
  });
  expect(lane.slot.json('')).toBe(before);
  expect(lane.slot.counts()).toEqual({ applied: 1, rejected: 2 });
  // Its room is there already, and the least room always is.
  lane.send({ cpuUsage: 4, runningTasks: tasks(50) });
  allowance.maxCapacityBytes = 0;
  lane.send({ cpuUsage: 5, runningTasks: tasks(50) });
  expect(lane.slot.capacityBytes).toBeGreaterThan(5000);
  lane.send({ cpuUsage: 6 });
  expect(lane.slot.capacityBytes).toBe(1024);
  expect(lane.slot.counts()).toEqual({ applied: 4, rejected: 2 });
  expect(lane.sent.map(({ type }) => type)).toEqual(['ready', 'grown', 'grown']);
});

test('a slot far too large shrinks after some heartbeats, whether or not its tasks are known', () => {
  const lane = laneFor();
  const task = create(RunningTaskSchema, { taskId: 't', status: 'running' });
  lane.send({ runningTasks: [task], metrics: Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`m${n}`, n])) });
  expect(lane.slot.capacityBytes).toBeGreaterThan(4096);
  for (let beat = 0; beat < SHRINK_AFTER; beat++) {
    expect(lane.slot.capacityBytes).toBeGreaterThan(4096);
    lane.send({ cpuUsage: beat, runningTasks: [task] });
  }
  expect(lane.slot.capacityBytes).toBe(1024);
  expect(JSON.parse(`${lane.slot.json('')}}`)).toMatchObject({ cpu_usage: 7, running_tasks: [{ task_id: 't' }] });
  expect(lane.slot.counts()).toEqual({ applied: 1 + SHRINK_AFTER, rejected: 0 });
  expect(samplesOf(lane.slot)).toHaveLength(7);
  lane.send({ cpuUsage: 9, runningTasks: [task] });
  expect(JSON.parse(`${lane.slot.json('')}}`)).toMatchObject({ cpu_usage: 9, running_tasks: [{ task_id: 't' }] });
});

test('a restarted lane knows since when a task has made no progress', () => {
  const lane = laneFor();
  const runningTasks = [create(RunningTaskSchema, { taskId: 't', status: 'running', progress: 0.5 })];
  lane.send({ runningTasks });
  lane.nowMs = 60_000;
  lane.restart();
  lane.send({ runningTasks });
  expect(lane.slot.taskStoodStillSinceMs).toBe(1);
});

test('heartbeats of a worker that the lane no longer serves are skipped', () => {
  const lane = laneFor();
  lane.deliver({ type: 'leave', slot: 3 });
  lane.send({ cpuUsage: 1 });
  expect(lane.slot.counts()).toEqual({ applied: 0, rejected: 0 });
});

test('a batch that grew in a burst releases the memory', () => {
  const batch = new FrameBatch();
  const first = batch.capacityBytes;
  const frame = { slot: 0, ordinal: 1, receivedMonotonicMs: 0, receivedUnixMs: 0, sampleFlags: 0 };
  batch.add({ ...frame, bytes: Buffer.alloc(1024 ** 2) });
  batch.take();
  expect(batch.capacityBytes).toBe(first);
  batch.add({ ...frame, bytes: Buffer.alloc(20_000) });
  batch.take();
  expect(batch.capacityBytes).toBeGreaterThan(20_000);
});

test('frames are read as they were written', () => {
  const frame = fc.record({
    slot: fc.nat(1_000_000),
    ordinal: fc.integer(),
    receivedMonotonicMs: fc.double({ noNaN: true }),
    receivedUnixMs: fc.double({ noNaN: true }),
    sampleFlags: fc.nat(255),
    bytes: fc.uint8Array({ maxLength: 3000 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(frame, { maxLength: 10 }), { maxLength: 3 }), (batches) => {
      const batch = new FrameBatch();
      for (const frames of batches) {
        for (const one of frames) batch.add(one);
        const out: HeartbeatFrame[] = [];
        const cursor = new FrameCursor(batch.take());
        while (cursor.next()) {
          const { slot, ordinal, receivedMonotonicMs, receivedUnixMs, sampleFlags, bytes } = cursor;
          out.push({ slot, ordinal, receivedMonotonicMs, receivedUnixMs, sampleFlags, bytes: Uint8Array.from(bytes) });
        }
        expect(out).toEqual(frames);
        expect(batch.isEmpty).toBe(true);
      }
    }),
  );
});
