import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GpuSchema, HeartbeatSchema, RunningTaskSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { FrameBatch } from '../../src/lane/frames.ts';
import { KnownTasks } from '../../src/lane/known-tasks.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { WireReader } from '../../src/lane/wire-reader.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../src/store/apply-times.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { samplesOf } from '../support/samples-of.ts';

const WORKER_ID = 'näme';

/** A lane that serves one worker; one that is told to serve it anew before each heartbeat knows nothing. */
function lane({ knowsNothing }: { knowsNothing: boolean }) {
  let memory = newSlot(WORKER_ID, 4);
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
  new Lane(port, {
    clock: new FakeClock(),
    allowance: UNLIMITED,
    publications,
    applyTimes: new ApplyTimesWriter(allocateApplyTimes(), 0),
  });
  const serve = () => deliver({ type: 'serve', slot: 0, occupant: 1, workerId: WORKER_ID, memory });
  serve();
  let ordinal = 0;
  return {
    /** @returns everything that a reader sees afterwards. */
    give(bytes: Uint8Array) {
      if (knowsNothing) serve();
      const batch = new FrameBatch();
      batch.add({ slot: 0, ordinal: ++ordinal, receivedMonotonicMs: 1, receivedUnixMs: 2, sampleFlags: 0, bytes });
      deliver({ type: 'heartbeats', frames: batch.take() });
      const slot = new SlotReader(memory);
      return {
        json: slot.json(''),
        numbers: slot.numbers(),
        counts: slot.counts(),
        rejection: slot.lastRejection(),
        samples: samplesOf(slot),
      };
    },
  };
}

const encoded = (heartbeat: Parameters<typeof create<typeof HeartbeatSchema>>[1]) =>
  toBinary(HeartbeatSchema, create(HeartbeatSchema, heartbeat));
const oneTask = (fields: object) => encoded({ runningTasks: [create(RunningTaskSchema, fields)] });

/** One task as field 5, from so few that heartbeats often hold the same: good, unacceptable and malformed ones. */
const task = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'ü'.repeat(300)).map((taskId) => oneTask({ taskId })) },
  { weight: 2, arbitrary: fc.constant(oneTask({ taskId: 'a', cpuAllocated: 2, progress: 0.5 })) },
  // The same task, its field number written with a byte too many.
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0xaa, 0, 3, 0x0a, 1, 0x61)) },
  { weight: 1, arbitrary: fc.constantFrom(oneTask({ cpuAllocated: -1 }), oneTask({ progress: Number.NaN })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      Uint8Array.of(0x2a, 3, 0x0a, 2, 0x61),
      Uint8Array.of(0x2a, 9, 0x0a),
      Uint8Array.of(0x28, 1),
    ),
  },
);
const tasks = fc.array(task, { maxLength: 4 });
/** What else a heartbeat may hold, fields that nobody knows included. */
const other = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(14.9, 100, 0).map((cpuUsage) => encoded({ cpuUsage })) },
  { weight: 2, arbitrary: fc.constant(encoded({ metrics: { queue: -3.5 } })) },
  { weight: 2, arbitrary: fc.constant(encoded({ gpus: [create(GpuSchema, { uuid: 'gpu' })] })) },
  { weight: 2, arbitrary: fc.constant(Uint8Array.of(0xf8, 0x07, 1)) },
  { weight: 1, arbitrary: fc.constant(encoded({ memoryUsage: -1 })) },
  { weight: 1, arbitrary: fc.constant(encoded({ workerId: 'other' })) },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0x11, 1)) },
);
const others = fc.array(other, { maxLength: 3 });
/** A heartbeat's tasks are one of a few lists, often the last one's; sometimes another follows somewhere behind. */
const step = fc.record({
  before: others,
  list: fc.nat(2),
  between: others,
  second: fc.option(fc.nat(2), { freq: 4, nil: undefined }),
  after: others,
});

test('a record is the same whether or not its tasks are cached', () => {
  const lists = fc.tuple(tasks, tasks, tasks);
  fc.assert(
    fc.property(lists, fc.array(step, { minLength: 2, maxLength: 12 }), (taskLists, steps) => {
      const knowing = lane({ knowsNothing: false });
      const ignorant = lane({ knowsNothing: true });
      for (const { before, list, between, second, after } of steps) {
        const listAt = (index: number) => taskLists[index] as Uint8Array[];
        const secondList = second === undefined ? [] : listAt(second);
        const id = encoded({ workerId: WORKER_ID });
        const bytes = Buffer.concat([id, ...before, ...listAt(list), ...between, ...secondList, ...after]);
        expect(knowing.give(bytes)).toEqual(ignorant.give(bytes));
      }
    }),
    { numRuns: 1000 },
  );
});

const message = (...parts: Uint8Array[]) => new WireReader(Uint8Array.from(Buffer.concat(parts)));
const A = oneTask({ taskId: 'a' });
const B = oneTask({ taskId: 'b' });
const CPU = encoded({ cpuUsage: 1 });

test('known tasks are skipped wherever they are in the message, other tasks are not', () => {
  const known = new KnownTasks();
  known.learn(message(CPU, A, B));
  expect(known.count).toBe(2);
  const same = message(A, B, CPU);
  expect(known.pass(same, 0)).toBe(true);
  expect(same.at).toBe(A.length + B.length);
  expect(known.pass(message(A), 0)).toBe(false);
  expect(known.pass(message(B, A), 0)).toBe(false);
});

test.each([
  ['lie apart', [A, CPU, B]],
  ['are none', [CPU]],
  ['are more than a lane remembers', Array.from({ length: 2000 }, () => A)],
])('tasks that %s are not cached', (_, parts) => {
  const known = new KnownTasks();
  known.learn(message(A));
  known.learn(message(...parts));
  expect(known.count).toBe(0);
  expect(known.pass(message(...parts), 0)).toBe(false);
});
