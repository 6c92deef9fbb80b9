import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndedTaskSchema, HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { FrameBatch } from '../../src/lane/frames.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';
import { loggedId, MAX_LOGGED_ID_BYTES, type TaskEvent } from '../../src/model/task-change.ts';
import type { EndedTask, RunningTask } from '../../src/model/telemetry.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../src/store/apply-times.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot, type RestoredRecord } from '../../src/store/slot-writer.ts';
import { LOG_BEGIN } from '../../src/store/task-log.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Given {
  readonly tasks?: readonly Partial<RunningTask>[];
  readonly ended?: readonly EndedTask[];
  readonly isFarewell?: boolean;
  readonly isBad?: boolean;
}

/** A lane that serves one worker, and a reader of its task log. Heartbeats come at 1000, 2000, … */
function logged({ samples = true, restored }: { samples?: boolean; restored?: RestoredRecord } = {}) {
  let memory = newSlot('w', 8, restored);
  let deliver: (message: ToLane) => void = () => {};
  const port = {
    postMessage: (message: FromLane) => {
      if (message.type === 'grown') memory = message.memory;
    },
    onMessage: (listener: (message: ToLane) => void) => {
      deliver = listener;
    },
    close: () => {},
  };
  const publications = new Publications(allocatePublications(1));
  const allowance = { ...UNLIMITED, sampleSpanMs: samples ? 60_000 : 0 };
  const restart = () => {
    new Lane(port, {
      clock: new FakeClock(),
      allowance,
      publications,
      applyTimes: new ApplyTimesWriter(allocateApplyTimes(), 0),
    });
    deliver({ type: 'serve', slot: 0, occupant: 1, workerId: 'w', memory });
  };
  restart();
  let ordinal = 0;
  let cursor = LOG_BEGIN;
  return {
    restart,
    get bytes() {
      return memory.byteLength;
    },
    /** @returns what the heartbeat added to the log */
    beat({ tasks = [], ended = [], isFarewell = false, isBad = false }: Given = {}): TaskEvent[] {
      const heartbeat = create(HeartbeatSchema, {
        workerId: 'w',
        cpuUsage: isBad ? -1 : 1,
        runningTasks: tasks.map(({ startedAtUnixMs = 0, ...task }) =>
          create(RunningTaskSchema, { status: 'running', ...task, startedAtUnixMs: BigInt(startedAtUnixMs) }),
        ),
        endedTasks: ended.map(({ taskId, endedAtUnixMs = 0, startedAtUnixMs = 0 }) =>
          create(EndedTaskSchema, {
            taskId,
            outcome: 1,
            endedAtUnixMs: BigInt(endedAtUnixMs),
            startedAtUnixMs: BigInt(startedAtUnixMs),
          }),
        ),
      });
      ordinal++;
      const batch = new FrameBatch();
      const sampleFlags = isFarewell ? SampleFlag.leaving : 0;
      const received = { receivedMonotonicMs: ordinal * 1000, receivedUnixMs: ordinal * 1000 };
      batch.add({ slot: 0, ordinal, ...received, sampleFlags, bytes: toBinary(HeartbeatSchema, heartbeat) });
      deliver({ type: 'heartbeats', frames: batch.take() });
      const reader = new SlotReader(memory);
      const { entries, end, lost } = reader.taskEntriesSince(cursor);
      cursor = end;
      expect(lost).toBe(0);
      for (const { sample, atMs } of entries) {
        expect([sample, atMs]).toEqual([reader.counts().applied - 1, ordinal * 1000]);
      }
      return entries.map(({ event }) => event);
    },
  };
}

const listed = (taskId: string, values: Partial<Extract<TaskEvent, { type: 'listed' }>> = {}): TaskEvent => ({
  type: 'listed',
  taskId,
  status: 'running',
  cpuAllocated: 0,
  memoryAllocated: 0,
  gpuAllocated: 0,
  startedMs: null,
  ...values,
});
const left = (taskId: string, lastSeenMs: number): TaskEvent => ({ type: 'left', taskId, lastSeenMs });

test('a task is logged when it appears, when its values change, and when it is gone', () => {
  const worker = logged();
  expect(worker.beat()).toEqual([]);
  expect(worker.beat({ tasks: [{ taskId: 'a' }, { taskId: 'b', startedAtUnixMs: 5 }] })).toEqual([
    listed('a'),
    listed('b', { startedMs: 5 }),
  ]);
  expect(worker.beat({ tasks: [{ taskId: 'b', startedAtUnixMs: 5 }, { taskId: 'a' }] })).toEqual([]);
  const changed = { taskId: 'a', cpuAllocated: 2, memoryAllocated: 0.5, gpuAllocated: 1, status: 'paused' };
  expect(worker.beat({ tasks: [{ taskId: 'b', startedAtUnixMs: 5, progress: 0.5 }, changed] })).toEqual([
    listed('a', { cpuAllocated: 2, memoryAllocated: 0.5, gpuAllocated: 1, status: 'paused' }),
  ]);
  expect(worker.beat({ tasks: [changed] })).toEqual([left('b', 4000)]);
  expect(worker.beat()).toEqual([left('a', 5000)]);
});

test('the progress of tasks is not logged', () => {
  const worker = logged();
  worker.beat({ tasks: [{ taskId: 'a', progress: 0 }] });
  for (let n = 1; n <= 100; n++) expect(worker.beat({ tasks: [{ taskId: 'a', progress: n / 100 }] })).toEqual([]);
});

test('another start is another run: its end comes between the two', () => {
  const worker = logged();
  worker.beat({ tasks: [{ taskId: 'a', startedAtUnixMs: 5 }] });
  const ended = [{ taskId: 'a', startedAtUnixMs: 5, endedAtUnixMs: 7 }];
  const events = worker.beat({ tasks: [{ taskId: 'a', startedAtUnixMs: 8 }], ended });
  expect(events).toEqual([
    left('a', 1000),
    expect.objectContaining({ type: 'ended', taskId: 'a', startedMs: 5, endedMs: 7, outcome: 'finished' }),
    listed('a', { startedMs: 8 }),
  ]);
});

test('an end is logged once while it is repeated, also beside a rejected heartbeat', () => {
  const worker = logged();
  const ended = [{ taskId: 'a', endedAtUnixMs: 7 }];
  expect(worker.beat({ ended, isBad: true })).toEqual([]);
  expect(worker.beat({ ended })).toHaveLength(1);
  expect(worker.beat({ ended, isBad: true })).toEqual([]);
  expect(worker.beat({ ended: [...ended, { taskId: 'a', endedAtUnixMs: 8 }] })).toMatchObject([{ endedMs: 8 }]);
  worker.restart();
  // It cannot know; whoever makes runs of it does.
  expect(worker.beat({ ended })).toHaveLength(1);
});

test('a farewell ends the tasks it lists; the same tasks afterwards are listed again', () => {
  for (const restarts of [false, true]) {
    const worker = logged();
    const tasks = [{ taskId: 'a' }];
    worker.beat({ tasks });
    expect(worker.beat({ tasks, isFarewell: true })).toEqual([left('a', 2000)]);
    if (restarts) worker.restart();
    expect(worker.beat({ tasks })).toEqual([listed('a')]);
    expect(worker.beat({ tasks })).toEqual([]);
  }
});

test('the first heartbeat in a master lists all tasks, and tells which of the restored ones are gone', () => {
  const task = (task_id: string) => ({
    task_id,
    cpu_allocated: 0,
    memory_allocated: 0,
    gpu_allocated: 0,
    status: 'running',
  });
  const json = JSON.stringify({ worker_id: 'w', running_tasks: [task('a'), task('b')] }).slice(0, -1);
  const worker = logged({ restored: { json, receivedUnixMs: 500 } });
  expect(worker.beat({ tasks: [{ taskId: 'b' }] })).toEqual([left('a', 500), listed('b')]);
});

test('without a reader of samples nothing is logged', () => {
  const worker = logged({ samples: false });
  const { bytes } = worker;
  expect(worker.beat({ tasks: [{ taskId: 'a' }], ended: [{ taskId: 'b' }] })).toEqual([]);
  expect(worker.bytes).toBe(bytes);
});

test('long ids are cut and stay distinct; a start that is no time is unknown', () => {
  const worker = logged();
  const long = 'ü'.repeat(2000);
  const tasks = [{ taskId: `${long}a` }, { taskId: `${long}b`, startedAtUnixMs: -5 }];
  const events = worker.beat({ tasks, ended: [{ taskId: `${long}a` }] });
  expect(events.map(({ type, taskId }) => [type, taskId])).toEqual([
    ['ended', loggedId(`${long}a`)],
    ['listed', loggedId(`${long}a`)],
    ['listed', loggedId(`${long}b`)],
  ]);
  expect(events[2]).toMatchObject({ startedMs: null });
  expect(new Set(events.map(({ taskId }) => taskId)).size).toBe(2);
  for (const { taskId } of events) {
    expect(Buffer.byteLength(taskId)).toBeLessThanOrEqual(MAX_LOGGED_ID_BYTES);
    expect(taskId.isWellFormed()).toBe(true);
  }
});

const task = fc.record({
  taskId: fc.constantFrom('a', 'b', 'c'),
  status: fc.constantFrom('running', 'paused'),
  startedAtUnixMs: fc.constantFrom(0, 1, 2),
});
const given = fc.record({
  tasks: fc.uniqueArray(task, { selector: ({ taskId }) => taskId }),
  isFarewell: fc.nat(8).map((n) => n === 0),
  isBad: fc.nat(5).map((n) => n === 0),
  restarts: fc.nat(4).map((n) => n === 0),
  repeats: fc.nat(2),
});

test('the log leads to the list of each applied heartbeat, whatever is rejected and whenever the lane is restarted', () => {
  fc.assert(
    fc.property(fc.array(given, { maxLength: 20 }), (steps) => {
      const worker = logged();
      const list = new Map<string, unknown>();
      for (const { restarts, repeats, ...step } of steps) {
        for (let n = 0; n <= repeats; n++) {
          if (restarts) worker.restart();
          const events = worker.beat(step);
          if (step.isBad) expect(events).toEqual([]);
          for (const event of events) {
            if (event.type === 'left') expect(list.delete(event.taskId)).toBe(true);
            if (event.type === 'listed') list.set(event.taskId, event);
          }
          if (step.isBad) continue;
          const now = step.isFarewell ? [] : step.tasks;
          const wanted = now.map(({ taskId, status, startedAtUnixMs }) =>
            listed(taskId, { status, startedMs: startedAtUnixMs === 0 ? null : startedAtUnixMs }),
          );
          expect(new Set(list.values())).toEqual(new Set(wanted));
          if (n > 0 && !step.isFarewell) expect(events).toEqual([]);
        }
      }
    }),
    { numRuns: 300 },
  );
});
