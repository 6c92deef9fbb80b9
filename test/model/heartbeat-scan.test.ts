import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndedTaskSchema, HeartbeatSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { decodeHeartbeat } from '../../src/lane/decode.ts';
import { heartbeatProblem } from '../../src/lane/validate.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { MAX_ENDED_TASKS, MAX_MESSAGE_BYTES } from '../../src/model/heartbeat-limits.ts';
import { scanHeartbeat, withEndedTasksOf } from '../../src/model/heartbeat-scan.ts';
import { hasControlCharacter, workerIdProblem } from '../../src/model/worker-id.ts';
import { heartbeatMessages, unknownFields } from '../support/heartbeat-messages.ts';

test('what main reads of a heartbeat is what the full library reads', () => {
  fc.assert(
    fc.property(heartbeatMessages, (message) => {
      fc.pre(workerIdProblem(message.workerId) === undefined && !hasControlCharacter(message.instanceId));
      const head = scanHeartbeat(Buffer.from(toBinary(HeartbeatSchema, message)));
      const { workerId, sequence, sentAtUnixMs, instanceId, hostLoopLagMs, lastRoundTripMs, leaving } = head;
      expect({ workerId, sequence, sentAtUnixMs, instanceId, hostLoopLagMs, lastRoundTripMs, leaving }).toEqual({
        workerId: message.workerId,
        sequence: Number(message.sequence),
        sentAtUnixMs: message.sentAtUnixMs < 0n ? expect.any(Number) : Number(message.sentAtUnixMs),
        instanceId: message.instanceId,
        hostLoopLagMs: message.hostLoopLagMs,
        lastRoundTripMs: message.lastRoundTripMs,
        leaving: message.leaving,
      });
    }),
  );
});

test('fields that nobody knows, groups among them, change nothing of what main reads', () => {
  fc.assert(
    fc.property(heartbeatMessages, unknownFields, unknownFields, (message, before, after) => {
      fc.pre(workerIdProblem(message.workerId) === undefined && !hasControlCharacter(message.instanceId));
      const bytes = toBinary(HeartbeatSchema, message);
      const alone = scanHeartbeat(Buffer.from(bytes));
      const among = scanHeartbeat(Buffer.concat([before, bytes, after]));
      expect([among.workerId, among.sequence, among.leaving]).toEqual([alone.workerId, alone.sequence, alone.leaving]);
      expect([among.instanceId, among.hostLoopLagMs]).toEqual([alone.instanceId, alone.hostLoopLagMs]);
    }),
  );
});

test('any bytes are either read or refused with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        scanHeartbeat(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(PulselaneError);
        expect((error as PulselaneError).code).toBe('invalid_argument');
      }
    }),
    { numRuns: 5000 },
  );
});

test('main finds a number wrong at the top level exactly if the lane does, and in the same words', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(-0, 0, 100, 250, -1, NaN, Infinity, -Infinity));
  const numbers = fc.record({
    cpuUsage: number,
    memoryUsage: number,
    storageUsage: number,
    gpuUsage: number,
    hostLoopLagMs: number,
    lastRoundTripMs: number,
  });
  fc.assert(
    fc.property(numbers, (values) => {
      const bytes = toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId: 'a', ...values }));
      const inLane = heartbeatProblem(decodeHeartbeat(bytes));
      expect(scanHeartbeat(Buffer.from(bytes)).amountProblem()).toBe(inLane);
    }),
  );
});

test('a usage of another wire type is the lane’s to reject: the heartbeat is heard', () => {
  const bytes = Buffer.from([0x0a, 1, 0x61, 0x15, 0, 0, 0x80, 0x3f]);
  expect(scanHeartbeat(bytes).amountProblem()).toBeUndefined();
  expect(() => decodeHeartbeat(bytes)).toThrow();
});

test('the last occurrence of a field wins', () => {
  const bytes = Buffer.from([0x0a, 1, 0x61, 0x0a, 1, 0x62]);
  expect(scanHeartbeat(bytes).workerId).toBe('b');
});

test('bits beyond the 64th of a number do not count', () => {
  const leaving = (last: number) => Buffer.from([0x0a, 1, 0x61, 0xb8, 1, ...Array(9).fill(0x80), last]);
  expect(scanHeartbeat(leaving(0x40)).leaving).toBe(false);
  expect(scanHeartbeat(leaving(0x01)).leaving).toBe(true);
});

test.each([
  [[], 'worker_id is empty'],
  [[0x0a, 5, 0x61], 'it ends within field 1'],
  [[0x0a, 1, 0xff], 'worker_id is not valid UTF-8'],
  [[0x0a, 1, 0x07], 'control character'],
  [[0x0a, 2, 0x2e, 0x2e], 'worker_id ".." cannot be named in a URL'],
  [[0x0a, 1, 0x61, 0x92, 1, 1, 0xff, 0x92, 1, 1, 0x62], 'instance_id is not valid UTF-8'],
  [[0x0a, 1, 0x61, 0x92, 1, 2, 0x62, 0x0a], 'instance_id contains a control character'],
  [[0x0a, 1, 0x61, 0x92, 1, 2, 0xc2, 0x85], 'instance_id contains a control character'],
  [[0x08, 1], 'worker_id (field 1) has wire type 0, expected 2'],
  [[0x0a, 1, 0x61, 0x03, 0x00], 'a field with number 0'],
  [[0x0a, 1, 0x61, 0xcb, 1], 'it ends within field 25'],
  [[0x0a, 1, 0x61, 0xcb, 1, 0xd4, 1], 'group 25 ends as 26'],
  [[0x0a, 1, 0x61, 0xcc, 1], 'field 25 has wire type 4'],
  [[0x0a, 1, 0x61, 0xcb, 1, 0x03, 0x04, 0xcc, 1], 'a field with number 0'],
  [[0x0a, 1, 0x61, ...Array(51).fill([0xcb, 1]).flat()], 'groups are nested too deep'],
  [[0x0a, 0x81, 0x02, ...Array(257).fill(0x61)], 'worker_id has 257 bytes; at most 256 are allowed'],
  [[0x0a, 1, 0x61, 0x80, 1, ...Array(9).fill(0xff), 1], 'sequence is larger than 2^53 - 1'],
  [[0x0a, 1, 0x61, 0x30, ...Array(11).fill(0xff)], 'a varint of more than 10 bytes'],
])('bytes %j are refused: %s', (bytes, message) => {
  expect(() => scanHeartbeat(Buffer.from(bytes))).toThrow(message);
});

test('a heartbeat gets the ended tasks of the one that it replaces, and nothing else of it', () => {
  fc.assert(
    fc.property(heartbeatMessages, heartbeatMessages, (replaced, message) => {
      const bytes = Buffer.from(toBinary(HeartbeatSchema, message));
      const joined = withEndedTasksOf(Buffer.from(toBinary(HeartbeatSchema, replaced)), bytes);
      const { endedTasks, ...rest } = decodeHeartbeat(joined);
      const { endedTasks: own, ...wanted } = decodeHeartbeat(bytes);
      expect(rest).toEqual(wanted);
      const encoded = (task: (typeof message.endedTasks)[number]) =>
        Buffer.from(toBinary(EndedTaskSchema, task)).toString('hex');
      const known = new Set(message.endedTasks.map(encoded));
      const isValid = (task: (typeof message.endedTasks)[number]) =>
        heartbeatProblem(
          decodeHeartbeat(toBinary(HeartbeatSchema, create(HeartbeatSchema, { endedTasks: [task] }))),
        ) === undefined;
      const missing = replaced.endedTasks.filter((task) => isValid(task) && !known.has(encoded(task)));
      expect(endedTasks.length).toBe(missing.length + own.length);
      expect(endedTasks.slice(missing.length)).toEqual(own);
      expect(scanHeartbeat(Buffer.concat([Buffer.of(0x0a, 1, 0x61), tasksOnly(joined)])).hasEndedTasks).toBe(
        endedTasks.length > 0,
      );
    }),
  );
});

test('whatever ended tasks a replaced heartbeat has, those that are carried are valid', () => {
  const bytes = Buffer.from(toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId: 'a', cpuUsage: 5 })));
  const changes = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
  let carried = 0;
  fc.assert(
    fc.property(heartbeatMessages, changes, unknownFields, ({ endedTasks }, changed, unknown) => {
      const replaced = Buffer.concat(
        endedTasks.map((task) => {
          const entry = Buffer.concat([toBinary(EndedTaskSchema, task), unknown]);
          for (const [at, byte] of changed) if (at < entry.length) entry[at] = byte;
          return Buffer.concat([Buffer.of(0xc2, 1, 0x80 | (entry.length & 0x7f), entry.length >> 7), entry]);
        }),
      );
      const joined = decodeHeartbeat(withEndedTasksOf(replaced, bytes));
      expect(heartbeatProblem(joined)).toBeUndefined();
      expect(joined.cpuUsage).toBe(5);
      carried += joined.endedTasks.length;
    }),
    { numRuns: 1000 },
  );
  expect(carried).toBeGreaterThan(50);
});

test.each([
  ['another wire type', [0xc0, 0x01, 0x05]],
  ['a tag that is too long', [0xc2, 0x81, 0x80, 0x80, 0x80, 0x00, 0x03, 0x0a, 0x01, 0x61]],
  ['no id', [0xc2, 0x01, 0x02, 0x20, 0x01]],
  ['an id that is no UTF-8', [0xc2, 0x01, 0x03, 0x0a, 0x01, 0xff]],
])('an ended task with %s is not carried', (_, entry) => {
  const bytes = Buffer.of(0x0a, 1, 0x61);
  expect(withEndedTasksOf(Buffer.from(entry), bytes)).toBe(bytes);
});

/** The heartbeat with its ended tasks alone. */
function tasksOnly(bytes: Buffer): Buffer {
  const { endedTasks } = fromBinary(HeartbeatSchema, bytes);
  return Buffer.from(toBinary(HeartbeatSchema, create(HeartbeatSchema, { endedTasks })));
}

test('of ended tasks that are replaced, the newest are kept that a heartbeat may have; and none that make it too large', () => {
  const heartbeat = (from: number, count: number, length = 8) => {
    const endedTasks = Array.from({ length: count }, (_, n) => ({ taskId: `${from + n}`.padEnd(length) }));
    return Buffer.from(toBinary(HeartbeatSchema, create(HeartbeatSchema, { workerId: 'a', endedTasks })));
  };
  const joined = decodeHeartbeat(withEndedTasksOf(heartbeat(0, 900), heartbeat(900, 300)));
  expect(joined.endedTasks).toHaveLength(MAX_ENDED_TASKS);
  expect(joined.endedTasks[0]?.taskId.trim()).toBe('200');
  const large = heartbeat(0, 900, MAX_MESSAGE_BYTES / 1000);
  expect(withEndedTasksOf(large, heartbeat(900, 300, MAX_MESSAGE_BYTES / 1000)).length).toBeLessThanOrEqual(
    MAX_MESSAGE_BYTES,
  );
  // Each takes 13 bytes, the heartbeat's id 3.
  const few = decodeHeartbeat(withEndedTasksOf(heartbeat(0, 10), heartbeat(10, 1), 16 + 2 * 13 + 12));
  expect(few.endedTasks.map(({ taskId }) => taskId.trim())).toEqual(['8', '9', '10']);
});
