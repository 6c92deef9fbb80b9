import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, test } from 'vitest';
import { Acceptance } from '../../src/agent/sender/acceptance.ts';
import { RefusalCode, RefusalSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { FakeClock } from '../support/fake-clock.ts';

let lines: string[];
let acceptance: Acceptance;

beforeEach(() => {
  lines = [];
  acceptance = new Acceptance(new FakeClock(), (_, message) => lines.push(message));
  acceptance.reconnected('a:1');
});

function reject(sequence: number, reason: string): void {
  const code = RefusalCode.INVALID_ARGUMENT;
  acceptance.refused(create(RefusalSchema, { sequence: BigInt(sequence), code, reason, heard: true }));
}

const REJECTS = 'the master rejects the values of heartbeats: invalid argument: ';
const AGAIN = 'the master accepts heartbeats again';

test('values that are rejected all the time are one line, whatever the numbers in it', () => {
  for (let sequence = 1; sequence <= 50; sequence++) {
    // An ack may come before its heartbeat’s rejection.
    acceptance.accepted(sequence);
    reject(sequence, `cpu_usage is -${sequence}, expected a finite number`);
  }
  expect(lines).toEqual([`${REJECTS}cpu_usage is -1, expected a finite number`]);
});

test('each reason is told, until heartbeats are accepted again; the second ack in peace says that they are', () => {
  reject(1, 'cpu');
  reject(2, 'memory');
  reject(3, 'cpu');
  acceptance.accepted(3);
  acceptance.accepted(4);
  expect(lines).toEqual([`${REJECTS}cpu`, `${REJECTS}memory`]);
  acceptance.accepted(5);
  expect(lines.slice(2)).toEqual([AGAIN]);
  reject(6, 'cpu');
  expect(lines.slice(3)).toEqual([`${REJECTS}cpu`]);
});

test('a worker with ever new reasons does not fill its log', () => {
  for (let n = 0; n < 1000; n++) reject(n + 1, `reason ${'x'.repeat(n)}`);
  expect(lines).toHaveLength(16);
});

test('what is refused as a whole is accepted again with the first ack beyond', () => {
  const code = RefusalCode.NOT_ADMITTED;
  acceptance.refused(create(RefusalSchema, { sequence: 3n, code, reason: 'wait' }));
  acceptance.accepted(3);
  acceptance.accepted(4);
  expect(lines).toEqual(['the master refuses heartbeats: not admitted: wait', AGAIN]);
});
