import { MessageChannel, Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { SleepingPort } from '../../src/lane/sleeping-port.ts';
import { BellRinger, newBell } from '../../src/store/bell.ts';
import { eventually } from '../support/eventually.ts';
import { allInterleavings, type Moves } from '../support/interleavings.ts';
import { repetitions } from '../support/repetitions.ts';

const MESSAGES = 3;
const ALL_IN_ORDER = new Set([JSON.stringify([1, 2, 3])]);
const bell = newBell();
const words = new Int32Array(bell);

function postsAndRings(ring: () => void) {
  return ({ post }: Moves) => {
    for (let message = 1; message <= MESSAGES; message++) {
      post(message);
      ring();
    }
  };
}

const rings = postsAndRings(() => new BellRinger(bell).ring());

function sleepingPort({ receive, got }: Moves): SleepingPort<number, never> {
  const port = new SleepingPort<number, never>({ postMessage() {}, receive, close() {} }, bell);
  port.onMessage(got);
  return port;
}

function sleeps(moves: Moves): void {
  sleepingPort(moves).listen();
}

/** As beside a processor, whose timers and promises run between its turns. */
function sleepsBetween(moves: Moves): void {
  let next: (() => void) | undefined;
  sleepingPort(moves).listenBetween((turn) => {
    next = turn;
  });
  for (;;) {
    const turn = next ?? moves.wakeUp;
    next = undefined;
    turn();
  }
}

describe('through all interleavings of posting, ringing, taking and sleeping', () => {
  test.each([
    ['a lane that blocks', sleeps],
    ['a lane whose loop goes on', sleepsBetween],
  ])('%s takes every message, in order', (_, sleeper) => {
    const { got, interleavings } = allInterleavings({ ringer: rings, sleeper }, [bell]);
    expect(got).toEqual(ALL_IN_ORDER);
    expect(interleavings).toBeGreaterThan(100_000n);
  });

  test('checking whether the lane sleeps before ringing would leave it asleep', () => {
    const ringer = postsAndRings(() => {
      const isAsleep = Atomics.load(words, 1) === 1;
      Atomics.add(words, 0, 1);
      if (isAsleep) Atomics.notify(words, 0);
    });
    expect(allInterleavings({ ringer, sleeper: sleeps }, [bell]).got).not.toEqual(ALL_IN_ORDER);
  });

  test('a lane that did not check for messages after setting its sleep flag would stay asleep', () => {
    const sleeper = ({ receive, got }: Moves) => {
      for (;;) {
        for (let next = receive(); next !== undefined; next = receive()) got(next.message);
        const seen = Atomics.load(words, 0);
        Atomics.store(words, 1, 1);
        Atomics.wait(words, 0, seen);
        Atomics.store(words, 1, 0);
      }
    };
    expect(allInterleavings({ ringer: rings, sleeper }, [bell]).got).not.toEqual(ALL_IN_ORDER);
  });
});

describe('between two threads', () => {
  test.each([
    ['a lane that blocks', true, repetitions(5000, 1_000_000)],
    ['a lane whose loop goes on', false, repetitions(1000, 200_000)],
  ])('%s never sleeps while a message waits', async (_, blocks, rounds) => {
    const { port1, port2 } = new MessageChannel();
    const rung = newBell();
    const ringer = new BellRinger(rung);
    const counted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const thread = new Worker(new URL('./threads/bell-thread.ts', import.meta.url), {
      workerData: { port: port2, bell: rung, counted, blocks },
      transferList: [port2],
    });
    const taken = () => Atomics.load(counted, 0);
    let posted = 0;
    for (let round = 0; round < rounds; round++) {
      for (let burst = 1 + (round % 3); burst > 0; burst--) {
        port1.postMessage(++posted);
        ringer.ring();
      }
      // Nobody rings again before all are taken, and then at a moment when it is about to sleep.
      for (let looks = 0; looks < 20_000 && taken() !== posted; looks++);
      if (taken() !== posted) await eventually(() => taken() === posted);
      for (let delay = (round * 7) % 600; delay > 0; delay--) Atomics.load(counted, 0);
    }
    expect(taken()).toBe(posted);
    port1.close();
    await thread.terminate();
  });
});
