import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { UntoldRejection } from '../../src/engine/untold-rejections.ts';
import type { StreamHeartbeatsResponse } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { HeartbeatStream } from '../../src/rpc/heartbeat-stream.ts';
import { AckRoom, PendingAcks } from '../../src/rpc/pending-acks.ts';
import { heartbeatBytes } from '../support/grpc-client.ts';
import { repetitions } from '../support/repetitions.ts';

type Step =
  | { readonly do: 'add'; readonly stream: number; readonly id: number; readonly sequence: number }
  | { readonly do: 'forget'; readonly stream: number; readonly id: number }
  | { readonly do: 'take'; readonly stream: number; readonly most: number }
  | { readonly do: 'reads'; readonly stream: number; readonly reads: boolean }
  | { readonly do: 'clear'; readonly stream: number };

const stream = fc.nat(2);
const id = fc.nat(6);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), stream, id, sequence: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), stream, id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const), stream, most: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reads' as const), stream, reads: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), stream }) },
);

test('whatever comes, is forgotten and is taken: of clients that do not read no more than there is room is added, and each ack is the newest', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const MOST = 5;
      let dropped = 0;
      const room = new AckRoom(MOST, () => dropped++);
      const streams = [0, 1, 2].map(() => ({
        acks: new PendingAcks(room),
        reads: true,
        newest: new Map<string, number>(),
      }));
      for (const one of steps) {
        const at = streams[one.stream] as (typeof streams)[number];
        const before = { kept: room.kept, size: at.acks.size, dropped };
        switch (one.do) {
          case 'add': {
            const workerId = `w${one.id}`;
            at.acks.add({ workerId, sequence: one.sequence, receivedMs: 0 });
            at.newest.set(workerId, Math.max(one.sequence, at.newest.get(workerId) ?? 0));
            // What waits when a client stops to read is kept; beyond that only where there is room.
            expect(room.kept).toBeLessThanOrEqual(Math.max(MOST, before.kept));
            if (at.reads) expect(dropped).toBe(before.dropped);
            break;
          }
          case 'forget':
            at.acks.forget(`w${one.id}`);
            at.newest.delete(`w${one.id}`);
            break;
          case 'take':
            for (const { workerId, sequence } of at.acks.take(one.most)) {
              // One that gave way begins anew.
              expect(sequence).toBeLessThanOrEqual(at.newest.get(workerId) ?? -1);
              if (dropped === 0) expect(sequence).toBe(at.newest.get(workerId));
              at.newest.delete(workerId);
            }
            break;
          case 'reads':
            at.acks.setReads(one.reads);
            at.reads = one.reads;
            break;
          case 'clear':
            at.acks.clear();
            at.reads = true;
            at.newest.clear();
            break;
          default:
            one satisfies never;
        }
        const waiting = streams.filter(({ reads }) => !reads).reduce((sum, { acks }) => sum + acks.size, 0);
        expect(room.kept).toBe(waiting);
        if (dropped === 0)
          expect(streams.map(({ acks }) => acks.size)).toEqual(streams.map(({ newest }) => newest.size));
      }
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});

/** A stream whose client does not read, but for what the test lets it. */
function deaf(room: AckRoom, take: () => UntoldRejection | undefined = () => undefined) {
  const written: StreamHeartbeatsResponse[] = [];
  const ended: unknown[] = [];
  let taken: (() => void) | undefined;
  const call = Object.assign(new EventEmitter(), {
    // As grpc-js does, it asks for more whatever it has.
    write: (response: StreamHeartbeatsResponse, onTaken: () => void) => {
      written.push(response);
      taken = onTaken;
      return true;
    },
    end: () => ended.push('end'),
  });
  const made = new HeartbeatStream({
    call: call as never,
    caller: { speaker: undefined, peer: {} as never },
    guard: { heartbeatRefusal: () => undefined, mustSpeakFor() {}, renewed: (caller) => caller },
    manager: {
      intake: { accept: () => true },
      countRefused() {},
      hungUp() {},
      intervalToTell: () => 5000,
      untoldRejections: { take },
    },
    ackRoom: room,
    clock: systemClock,
    logger: silentLogger,
    onClosed: () => ended.push('closed'),
  });
  const send = (workerId: string, sequence = 1n) => call.emit('data', heartbeatBytes({ workerId, sequence }));
  const read = () => taken?.();
  return { made, send, read, written, ended, call };
}

test('a client that does not read costs nothing for workers that come and go, and a bounded number for those that stay', async () => {
  let dropped = 0;
  const room = new AckRoom(100, () => dropped++);
  const { made, send, read, written, call } = deaf(room);
  send('first');
  await new Promise(setImmediate);
  for (let i = 0; i < 10_000; i++) {
    send(`passing-${i}`);
    made.forget(`passing-${i}`);
    made.flush();
  }
  expect(room.kept).toBe(0);
  expect(dropped).toBe(0);
  for (let i = 0; i < 1000; i++) {
    send(`staying-${i}`, BigInt(i));
    made.flush();
  }
  expect({ kept: room.kept, dropped }).toEqual({ kept: 100, dropped: 900 });
  expect(written).toHaveLength(1);
  read();
  expect(room.kept).toBe(0);
  expect(written[1]?.acks.map(({ workerId }) => workerId)).toEqual(
    Array.from({ length: 100 }, (_, i) => `staying-${900 + i}`),
  );
  call.emit('cancelled');
});

test('a stream that ends gives its room back', async () => {
  const room = new AckRoom(100, () => {});
  const { send, call } = deaf(room);
  send('first');
  await new Promise(setImmediate);
  for (let i = 0; i < 50; i++) send(`w${i}`);
  expect(room.kept).toBe(50);
  call.emit('cancelled');
  expect(room.kept).toBe(0);
});

test.each([
  ['was written is told', true, 0],
  ['was not written when the client went away is given back', false, 1],
])('a rejection that %s', async (_, isRead, expected) => {
  let givenBack = 0;
  const giveBack = () => void givenBack++;
  const { made, send, read, written, call } = deaf(new AckRoom(100, () => {}), () => {
    return { cause: 'content', reason: 'cpu', sequence: 1, count: 1, giveBack };
  });
  send('w');
  await new Promise(setImmediate);
  expect(written[0]?.refusals).toMatchObject([{ workerId: 'w', reason: 'cpu', heard: true }]);
  if (isRead) read();
  else made.close();
  call.emit('cancelled');
  expect(givenBack).toBe(expected);
});

test('a stream that is to end while a message is under way tells what is pending first, and takes nothing more', async () => {
  const room = new AckRoom(100, () => {});
  const { made, send, read, written, ended } = deaf(room);
  send('first');
  await new Promise(setImmediate);
  send('second');
  made.close();
  send('third');
  expect([written.length, ended, room.kept]).toEqual([1, [], 1]);
  read();
  expect(written.map(({ acks }) => acks.map(({ workerId }) => workerId))).toEqual([['first'], ['second']]);
  expect([ended, room.kept]).toEqual([['end', 'closed'], 0]);
});
