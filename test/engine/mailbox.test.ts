import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Mailbox, type Parcel } from '../../src/engine/workers/mailbox.ts';
import { HeartbeatSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';

const receipt = { monotonicMs: 0, wallMs: 0 };
const bytesOf = (value: number) => Buffer.from(String(value));
const numberIn = (parcel: { bytes: Uint8Array }) => Number(Buffer.from(parcel.bytes).toString());

test('a heartbeat that replaces the one of a return tells of the return', () => {
  const mailbox = new Mailbox(1);
  const first = mailbox.accept(bytesOf(1), receipt).post as Parcel;
  mailbox.accept(bytesOf(2), receipt, { sampleFlags: SampleFlag.returned | SampleFlag.stuck });
  expect(mailbox.accept(bytesOf(3), receipt, { sampleFlags: SampleFlag.flapping }).replaced).toBe(true);
  expect(mailbox.done(first.ordinal)?.sampleFlags).toBe(SampleFlag.returned | SampleFlag.flapping);
});

test('a heartbeat that replaces others tells of their ended tasks, each once', () => {
  const mailbox = new Mailbox(1);
  const accept = (cpuUsage: number, ...ids: string[]) => {
    const endedTasks = ids.map((taskId) => ({ taskId }));
    const bytes = Buffer.from(
      toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId: 'w', cpuUsage, endedTasks })),
    );
    return mailbox.accept(bytes, receipt, { hasEndedTasks: ids.length > 0 });
  };
  const first = accept(1, 'a').post as Parcel;
  accept(2, 'b', 'c');
  expect(accept(3).replaced).toBe(true);
  accept(4, 'c', 'd');
  const { cpuUsage, endedTasks } = fromBinary(HeartbeatSchema, mailbox.done(first.ordinal)?.bytes as Buffer);
  expect([cpuUsage, endedTasks.map(({ taskId }) => taskId)]).toEqual([4, ['b', 'c', 'd']]);
});

test('an invalid ended task of a heartbeat that is replaced does not spoil the next one, nor does a large one exceed the memory', () => {
  const mailbox = new Mailbox(1);
  const accept = (mostBytes: number, ...ids: string[]) => {
    const endedTasks = ids.map((taskId) => ({ taskId }));
    const bytes = Buffer.from(toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId: 'w', endedTasks })));
    return mailbox.accept(bytes, receipt, { hasEndedTasks: ids.length > 0, mostBytes });
  };
  const first = accept(4096).post as Parcel;
  accept(4096, '', 'a');
  accept(4096, 'large'.padEnd(3000));
  accept(1000, 'b');
  accept(1000);
  const { endedTasks } = fromBinary(HeartbeatSchema, mailbox.done(first.ordinal)?.bytes as Buffer);
  expect(endedTasks.map(({ taskId }) => taskId)).toEqual(['b']);
});

test('every accepted heartbeat is given to the lane in order, or replaced by a newer one', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('accept' as const) },
    { weight: 3, arbitrary: fc.constant('done' as const) },
    { weight: 1, arbitrary: fc.constant('thread dies' as const) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 100 }), (depth, steps) => {
      const mailbox = new Mailbox(depth);
      let queue: Parcel[] = [];
      const finished: number[] = [];
      let accepted = 0;
      let replaced = 0;
      const finishOne = () => {
        const parcel = queue.shift();
        if (parcel === undefined) return;
        finished.push(numberIn(parcel));
        const next = mailbox.done(parcel.ordinal);
        if (next !== undefined) queue.push(next);
      };
      for (const what of steps) {
        if (what === 'accept') {
          const outcome = mailbox.accept(bytesOf(++accepted), receipt);
          if (outcome.post !== undefined) queue.push(outcome.post);
          if (outcome.replaced) replaced++;
        } else if (what === 'done') finishOne();
        else queue = [...mailbox.undone()];
        expect(mailbox.outstanding).toBeLessThanOrEqual(depth);
        expect(mailbox.outstanding).toBe(queue.length);
      }
      while (queue.length > 0) finishOne();
      expect(mailbox.isEmpty).toBe(true);
      expect(finished.length + replaced).toBe(accepted);
      expect(finished).toEqual([...new Set(finished)].sort((a, b) => a - b));
      // The newest is never the one that is given up.
      if (accepted > 0) expect(finished.at(-1)).toBe(accepted);
    }),
    { numRuns: 2000 },
  );
});
