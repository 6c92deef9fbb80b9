import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ToLane } from '../../src/lane/messages.ts';
import { OrderedPort, type Stamped } from '../../src/lane/ordered-port.ts';
import { type ReadablePort, SleepingPort } from '../../src/lane/sleeping-port.ts';
import { BellRinger, newBell } from '../../src/store/bell.ts';
import { type ByteRing, newByteRing, RingReader, RingWriter } from '../../src/store/byte-ring.ts';
import { allInterleavings, type Moves } from '../support/interleavings.ts';

/** In place of heartbeats: each is a byte. */
function numbersIn(frames: ArrayBuffer): number[] {
  return [...new Uint8Array(frames)];
}

function leave(slot: number): ToLane {
  return { type: 'leave', slot };
}

function posted(messages: unknown[]) {
  return {
    postMessage() {},
    receive: () => (messages.length === 0 ? undefined : { message: messages.shift() }),
    close() {},
  };
}

function allOf(port: OrderedPort): number[] {
  const received: number[] = [];
  for (let got = port.receive(); got !== undefined; got = port.receive()) {
    const { message } = got;
    if (message.type === 'heartbeats') received.push(...numbersIn(message.frames));
    else if (message.type === 'leave') received.push(message.slot);
  }
  return received;
}

/** Main sends 1, 2, 3 and so on, each by the way that the plan names. */
function interleaved(
  plan: readonly ('ring' | 'port')[],
  orderedPort = (port: ReadablePort, memory: ByteRing): ReadablePort => new OrderedPort(port, memory),
) {
  const bell = newBell();
  const memory = newByteRing(16);
  const ringer = ({ post }: Moves) => {
    const rings = new BellRinger(bell);
    const ring = new RingWriter(memory);
    for (const [index, way] of plan.entries()) {
      const number = index + 1;
      if (way === 'ring') ring.write(Uint8Array.of(number));
      else post({ after: ring.position, message: leave(number) } satisfies Stamped);
      rings.ring();
    }
  };
  const sleeper = ({ receive, got }: Moves) => {
    const port = new SleepingPort<ToLane, never>(orderedPort({ postMessage() {}, receive, close() {} }, memory), bell);
    port.onMessage((message) => {
      if (message.type === 'heartbeats') for (const number of numbersIn(message.frames)) got(number);
      else if (message.type === 'leave') got(message.slot);
    });
    port.listen();
  };
  return allInterleavings({ ringer, sleeper }, [bell, memory]);
}

describe('through all interleavings', () => {
  test.each([[['ring', 'port', 'ring']], [['port', 'ring', 'port']]] as const)(
    'a lane gets what comes by %j in the order in which main sent it',
    (plan) => {
      const { got, interleavings } = interleaved(plan);
      expect(got).toEqual(new Set([JSON.stringify([1, 2, 3])]));
      expect(interleavings).toBeGreaterThan(1_000_000n);
    },
  );

  test('reading the port before the ring’s write position would break the order', () => {
    const { got } = interleaved(['port', 'ring'], (port, memory) => {
      const ring = new RingReader(memory);
      const receive = () => {
        const next = port.receive() as { readonly message: Stamped } | undefined;
        if (next !== undefined) return next.message;
        const frames = ring.takeUpTo(ring.written);
        return frames && { message: { type: 'heartbeats', frames } };
      };
      return { ...port, receive };
    });
    expect(got).toContain(JSON.stringify([2, 1]));
  });
});

test('what fits goes through the ring, the rest through the port, and all arrives in order, wherever the ring wraps', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('write'), bytes: fc.integer({ min: 1, max: 40 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('send'), bytes: fc.constant(1) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('receive'), bytes: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120 }),
      fc.constantFrom(0, 2 ** 31 - 100, 2 ** 32 - 100),
      (steps, start) => {
        const memory = newByteRing(64, start);
        const ring = new RingWriter(memory);
        const messages: unknown[] = [];
        const port = new OrderedPort(posted(messages), memory);
        const sent: number[] = [];
        const received: number[] = [];
        let next = 0;
        for (const { type, bytes } of steps) {
          if (type === 'receive') received.push(...allOf(port));
          const numbers = Uint8Array.from({ length: bytes }, () => next++ % 256);
          sent.push(...numbers);
          if (type === 'send') {
            messages.push({ after: ring.position, message: leave(numbers[0] as number) });
          } else if (type === 'write' && !ring.write(numbers)) {
            messages.push({ after: ring.position, message: { type: 'heartbeats', frames: numbers.buffer } });
          }
        }
        received.push(...allOf(port));
        expect(received).toEqual(sent);
      },
    ),
  );
});

test('the ring accepts no more than it has room for, and has room again when data is taken', () => {
  const memory = newByteRing(8);
  const ring = new RingWriter(memory);
  const port = new OrderedPort(posted([]), memory);
  expect(ring.write(new Uint8Array(9))).toBe(false);
  expect(ring.write(Uint8Array.of(1, 2, 3, 4, 5))).toBe(true);
  expect(ring.write(Uint8Array.of(6, 7, 8, 9))).toBe(false);
  expect(allOf(port)).toEqual([1, 2, 3, 4, 5]);
  expect(ring.write(Uint8Array.of(6, 7, 8, 9, 10, 11, 12, 13))).toBe(true);
  expect(ring.write(Uint8Array.of(14))).toBe(false);
  expect(allOf(port)).toEqual([6, 7, 8, 9, 10, 11, 12, 13]);
});
