import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  EndedTaskSchema,
  GpuSchema,
  HeartbeatSchema,
  RunningTaskSchema,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { type DecodedHeartbeat, decodeHeartbeat, MalformedHeartbeat } from '../../src/lane/decode.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { scanHeartbeat } from '../../src/model/heartbeat-scan.ts';
import { expectedHeartbeat } from '../support/expected-heartbeat.ts';
import { heartbeatMessages, unknownFields } from '../support/heartbeat-messages.ts';

test('any message decodes to what the full library makes of it', () => {
  fc.assert(
    fc.property(heartbeatMessages, (message) => {
      const bytes = toBinary(HeartbeatSchema, message);
      expect(decodeHeartbeat(bytes)).toEqual(expectedHeartbeat(fromBinary(HeartbeatSchema, bytes)));
    }),
  );
});

test('unknown fields, including groups, are skipped as by the full library, also within a task', () => {
  fc.assert(
    fc.property(heartbeatMessages, unknownFields, unknownFields, (message, before, inTask) => {
      const task = Buffer.concat([toBinary(RunningTaskSchema, create(RunningTaskSchema, { taskId: 'x' })), inTask]);
      fc.pre(task.length < 128);
      const bytes = Buffer.concat([
        before,
        toBinary(HeartbeatSchema, message),
        Buffer.of(0x2a, task.length),
        task,
        before,
      ]);
      expect(decodeHeartbeat(bytes)).toEqual(expectedHeartbeat(fromBinary(HeartbeatSchema, bytes)));
    }),
  );
});

test('mutated messages are either refused as malformed or read as the full library reads them', () => {
  fc.assert(
    fc.property(
      heartbeatMessages,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
      (message, mutations, cut) => {
        const whole = toBinary(HeartbeatSchema, message);
        const bytes = whole.slice(0, whole.length - (cut % 3 === 0 ? cut % (whole.length + 1) : 0));
        for (const [at, value] of mutations) if (bytes.length > 0) bytes[at % bytes.length] = value;
        let decoded: DecodedHeartbeat;
        try {
          decoded = decodeHeartbeat(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedHeartbeat);
          return;
        }
        let reference: DecodedHeartbeat;
        try {
          reference = expectedHeartbeat(fromBinary(HeartbeatSchema, bytes));
        } catch {
          // The lane does not read what only main needs; main refuses such a heartbeat at the door.
          expect(() => scanHeartbeat(Buffer.from(bytes))).toThrow(PulselaneError);
          return;
        }
        // The lane is stricter (wire types, ends of nested messages), never laxer.
        expect(decoded).toEqual({ ...reference, metrics: expect.any(Map) });
        for (const [name, value] of reference.metrics) expect(decoded.metrics.get(name)).toEqual(value);
      },
    ),
    { numRuns: 5000 },
  );
});

test('an error names the malformed field', () => {
  const task = toBinary(RunningTaskSchema, create(RunningTaskSchema, { taskId: 'abc' }));
  const ended = toBinary(EndedTaskSchema, create(EndedTaskSchema, { taskId: 'abc' }));
  expect(() => decodeHeartbeat(Uint8Array.of(0xc2, 1, ended.length - 1, ...ended))).toThrow(
    /^ended_tasks\[0\] is malformed at field 1: /,
  );
  const overrun = Uint8Array.of(0x2a, task.length - 1, ...task);
  expect(() => decodeHeartbeat(overrun)).toThrow(/^running_tasks\[0\] is malformed at field 1: /);
  expect(() => decodeHeartbeat(Uint8Array.of(0x10, 1))).toThrow('heartbeat is malformed at field 2: wire type 0');
  expect(() => decodeHeartbeat(Uint8Array.of(0x0a, 2, 0xc3, 0x28))).toThrow('heartbeat is malformed at field 1');
});

test('values that were not measured stay absent', () => {
  const message = create(HeartbeatSchema, { gpus: [create(GpuSchema, { uuid: 'u', powerWatts: 0 })] });
  expect(decodeHeartbeat(toBinary(HeartbeatSchema, message)).gpus).toEqual([
    { index: 0, uuid: 'u', name: '', powerWatts: 0 },
  ]);
});

test('the nesting of groups is limited below the library’s limit, also in nested messages', () => {
  const GROUP_25 = [0xcb, 1];
  const ITS_END = [0xcc, 1];
  const groups = (depth: number) => [...Array(depth).fill(GROUP_25), ...Array(depth).fill(ITS_END)].flat();
  expect(decodeHeartbeat(Uint8Array.from(groups(50))).workerId).toBe('');
  expect(() => decodeHeartbeat(Uint8Array.from(groups(51)))).toThrow('groups are nested too deep');
  // Field 19, an entry of metrics.
  const entry = [0x9a, 1, 0xcc, 1, ...groups(51)];
  expect(() => decodeHeartbeat(Uint8Array.from(entry))).toThrow('groups are nested too deep');
});
