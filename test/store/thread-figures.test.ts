import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DROP_REASONS, HTTP_REFUSAL_REASONS, LIVE_CLIENT_KINDS } from '../../src/model/http-figures.ts';
import { HTTP_POOL_THREADS, READING_THREADS, type ReadingThreadName } from '../../src/model/reading-threads.ts';
import { noneOf } from '../../src/store/master-figures.ts';
import {
  allocateThreadFigures,
  markThreadEnded,
  ThreadFiguresReader,
  ThreadFiguresWriter,
} from '../../src/store/thread-figures.ts';

const NOTHING = {
  refused: noneOf(HTTP_REFUSAL_REASONS),
  dropped: noneOf(DROP_REASONS),
  clients: noneOf(LIVE_CLIENT_KINDS),
};

test('a thread that looks on time has the delay that it measured, one that is stuck the time that it is overdue', () => {
  const memory = allocateThreadFigures();
  const reader = new ThreadFiguresReader(memory);
  expect(reader.of('history', 0)).toEqual({ starts: 0, running: 0, lagMs: undefined });
  const writer = new ThreadFiguresWriter(memory, { name: 'history', index: 0 }, 5000);
  writer.looked(5250, { mean: 1.5, max: 20 });
  expect(reader.of('history', 5400)).toEqual({ starts: 1, running: 1, lagMs: { mean: 1.5, max: 20 } });
  expect(reader.of('history', 8250)).toEqual({ starts: 1, running: 1, lagMs: { mean: 1.5, max: 2750 } });
  markThreadEnded(memory, { name: 'history', index: 0 });
  expect(reader.of('history', 9000)).toEqual({ starts: 1, running: 0, lagMs: undefined });
});

test('times wrap after 49 days', () => {
  const memory = allocateThreadFigures();
  const reader = new ThreadFiguresReader(memory);
  const writer = new ThreadFiguresWriter(memory, { name: 'export', index: 0 }, 0);
  writer.looked(2 ** 32 - 100, { mean: 0, max: 0 });
  expect(reader.of('export', 2 ** 32 + 1150).lagMs?.max).toBe(1000);
});

test('the slowest of the threads of a pool counts, and all of them end with the HTTP thread', () => {
  const memory = allocateThreadFigures();
  const reader = new ThreadFiguresReader(memory);
  new ThreadFiguresWriter(memory, { name: 'http', index: 0 }, 0);
  for (const name of HTTP_POOL_THREADS) {
    new ThreadFiguresWriter(memory, { name, index: 0 }, 0).looked(0, { mean: 1, max: 2 });
    new ThreadFiguresWriter(memory, { name, index: 1 }, 0).looked(0, { mean: 3, max: 4 });
    expect(reader.of(name, 0)).toEqual({ starts: 2, running: 2, lagMs: { mean: 3, max: 4 } });
  }
  markThreadEnded(memory, { name: 'query', index: 1 });
  expect(reader.of('query', 0)).toMatchObject({ running: 1, lagMs: { max: 2 } });
  markThreadEnded(memory, { name: 'http', index: 0 });
  for (const name of ['http', ...HTTP_POOL_THREADS] as const) expect(reader.of(name, 0).running).toBe(0);
});

test('counts go on after restarts, however threads count and end, and threads do not touch each other', () => {
  type Step = { name: ReadingThreadName; index: number; refused: number; dropped: number; ends: boolean };
  const step: fc.Arbitrary<Step> = fc.record({
    name: fc.constantFrom(...READING_THREADS),
    index: fc.nat({ max: 3 }),
    refused: fc.nat({ max: 9 }),
    dropped: fc.nat({ max: 9 }),
    ends: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = allocateThreadFigures();
      const reader = new ThreadFiguresReader(memory);
      const living = new Map<string, { writer: ThreadFiguresWriter; refused: number; dropped: number }>();
      const expected = { refused: 0, dropped: 0, starts: new Map<ReadingThreadName, number>() };
      for (const { name, index, refused, dropped, ends } of steps) {
        const key = `${name} ${index}`;
        const thread = living.get(key) ?? {
          writer: new ThreadFiguresWriter(memory, { name, index }, 0),
          refused: 0,
          dropped: 0,
        };
        if (!living.has(key)) expected.starts.set(name, (expected.starts.get(name) ?? 0) + 1);
        living.set(key, thread);
        thread.refused += refused;
        thread.dropped += dropped;
        thread.writer.setHttp({
          refused: { ...NOTHING.refused, rate: thread.refused },
          dropped: { ...NOTHING.dropped, slow: thread.dropped },
          clients: { ...NOTHING.clients, stream: 3 },
        });
        if (name === 'http' && index === 0) {
          expected.refused += refused;
          expected.dropped += dropped;
        }
        if (ends) {
          living.delete(key);
          markThreadEnded(memory, { name, index });
        }
        expect(reader.http.refused.rate).toBe(expected.refused);
        expect(reader.http.dropped.slow).toBe(expected.dropped);
      }
      for (const name of READING_THREADS) expect(reader.of(name, 0).starts).toBe(expected.starts.get(name) ?? 0);
    }),
  );
});

test('a new HTTP thread has no clients yet', () => {
  const memory = allocateThreadFigures();
  const reader = new ThreadFiguresReader(memory);
  const place = { name: 'http', index: 0 } as const;
  new ThreadFiguresWriter(memory, place, 0).setHttp({
    ...NOTHING,
    clients: { stream: 2, websocket: 3, blocking_query: 4 },
  });
  expect(reader.http.clients).toEqual({ stream: 2, websocket: 3, blocking_query: 4 });
  new ThreadFiguresWriter(memory, place, 0);
  expect(reader.http.clients).toEqual(NOTHING.clients);
});
