/** Values from an SQLite database and rings together, against every sample that there was. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { HistoryReader, HistoryWriter } from '../../../src/history/backend.ts';
import { HistoryError } from '../../../src/history/history-error.ts';
import { Budget, MAX_VALUES_READ } from '../../../src/history/query/budget.ts';
import { bucketMs } from '../../../src/history/query/plan.ts';
import { HistoryQueries } from '../../../src/history/query/queries.ts';
import { rangeOf } from '../../../src/history/query/request.ts';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Directory } from '../../../src/reading/directory.ts';
import { takeIn } from '../../../src/reading/reader-thread.ts';
import { NO_CRITERIA } from '../../../src/reading/selection.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Fleet } from '../../support/fleet.ts';
import { repetitions } from '../../support/repetitions.ts';
import { batchOf, KEEP_ALL, sampleRun, settle } from '../history-data.ts';

const START = Date.UTC(2026, 10, 23, 17, 30);
const HOUR = 3_600_000;
/** The ring holds one sample less. */
const RING = 16;

interface Known {
  readonly atMs: number;
  readonly value: number;
}

/** One worker, whose heartbeats come at any distance; some batches of them are in the database. */
async function recorded(waitsMs: readonly number[], batchSizes: readonly number[], isSealed: boolean) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-query-'));
  const place = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  const writer: HistoryWriter = await sqlite.openWriter(place, () => {});
  const clock = new FakeClock(START);
  const fleet = new Fleet(clock, 4, RING);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => takeIn(directory, items);
  fleet.register('a');
  const bootId = directory.board.bootId;
  await writer.begin({ bootId, startedMs: START });
  const all: Known[] = [];
  for (const [index, waitMs] of waitsMs.entries()) {
    clock.advance(waitMs);
    const value = (index * 37) % 100;
    fleet.beat('a', { cpuUsage: value });
    all.push({ atMs: clock.wallMs(), value });
  }
  // The database lags behind at most as far as the ring holds.
  let first = 0;
  for (const [index, size] of batchSizes.entries()) {
    const part = all.slice(first, first + size);
    if (part.length === 0) break;
    const run = sampleRun({ workerId: 'a', first, count: part.length, value: (n) => all[n]?.value ?? Number.NaN });
    const samples = [{ ...run, at: Float64Array.from(part, ({ atMs }) => atMs) }];
    await writer.write(batchOf(bootId, index + 1, { atMs: clock.wallMs(), samples }));
    first += part.length;
  }
  if (isSealed) await settle(writer, clock.wallMs() + 3 * HOUR, KEEP_ALL);
  const queries = new HistoryQueries({ directory, open: () => sqlite.openReader(place, () => {}) });
  const close = async () => {
    await queries.close();
    await writer.close();
    rmSync(folder, { recursive: true });
  };
  return { all, directory, queries, nowMs: clock.wallMs(), close };
}

const heartbeats = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 90 });

/** Sizes of batches that leave at most what the ring holds. */
function cutInto(stored: number, sizes: readonly number[]): number[] {
  const used: number[] = [];
  let rest = stored;
  for (const size of sizes) {
    if (rest > 0) used.push(Math.min(size, rest));
    rest -= size;
  }
  return rest > 0 ? [...used, rest] : used;
}

const scenario = heartbeats.chain((waitsMs) =>
  fc.record({
    waitsMs: fc.constant(waitsMs),
    batchSizes: fc
      .record({ left: fc.nat(Math.min(RING - 1, waitsMs.length)), sizes: fc.array(fc.integer({ min: 1, max: 30 })) })
      .map(({ left, sizes }) => cutInto(waitsMs.length - left, sizes)),
    isSealed: fc.boolean(),
  }),
);

test('each sample is in the answer once, wherever it is, and in its step', async () => {
  const steps = fc.constantFrom(1000, 7000, 30_000, 60_000, 300_000, HOUR);
  const cuts = fc.record({ from: fc.integer({ min: 0, max: 95 }), to: fc.integer({ min: 0, max: 95 }) });
  await fc.assert(
    fc.asyncProperty(scenario, steps, cuts, async ({ waitsMs, batchSizes, isSealed }, stepMs, { from, to }) => {
      const { all, queries, nowMs, close } = await recorded(waitsMs, batchSizes, isSealed);
      try {
        const budget = () => new Budget(systemClock);
        const ask = { workerId: 'a', metrics: ['cpu_usage'], nowMs };
        const earliest = all[Math.min(from, all.length - 1)]?.atMs ?? 0;
        const latest = (all[Math.min(to, all.length - 1)]?.atMs ?? 0) + 1;
        const range = { fromMs: Math.min(earliest, latest - 1), toMs: Math.max(earliest + 1, latest) };

        const raw = await queries.worker({ ...ask, range, wish: { points: 1000 } }, budget());
        const within = all.filter(({ atMs }) => atMs >= range.fromMs && atMs < range.toMs);
        expect(raw.series[0]).toMatchObject({ tier: 'raw', stepMs: 0 });
        expect(raw.series[0]?.points.map(({ atMs, last }) => [atMs, last])).toEqual(
          within.map(({ atMs, value }) => [atMs, value]),
        );

        const stepped = await queries.worker({ ...ask, range, wish: { stepMs } }, budget());
        const tier = stepMs === HOUR ? '1h' : stepMs % 60_000 === 0 ? '1m' : 'raw';
        expect(stepped.series[0]).toMatchObject({ stepMs, tier });
        // Minutes and hours at both ends of the range count whole, wherever their samples are.
        const bucket = bucketMs(tier);
        const firstMs = Math.floor(range.fromMs / bucket) * bucket;
        const endMs = Math.ceil(range.toMs / bucket) * bucket;
        const inSteps = Map.groupBy(
          all.filter(({ atMs }) => atMs >= firstMs && atMs < endMs),
          ({ atMs }) => Math.floor(atMs / stepMs) * stepMs,
        );
        expect(stepped.series[0]?.points).toEqual(
          Array.from(inSteps, ([atMs, samples]) => {
            const values = samples.map(({ value }) => value);
            return {
              atMs,
              min: Math.min(...values),
              max: Math.max(...values),
              mean: expect.closeTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6),
              last: values.at(-1),
              count: values.length,
            };
          }),
        );
      } finally {
        await close();
      }
    }),
    { numRuns: repetitions(25, 500) },
  );
});

test('what neither the database nor the ring has is a gap, whose samples are counted', async () => {
  // 60 heartbeats, of which the database has 20 and the ring the last 15.
  const { all, queries, nowMs, close } = await recorded(Array(60).fill(5000), [20], false);
  onTestFinished(close);
  const range = rangeOf({}, nowMs);
  const ask = { workerId: 'a', metrics: ['cpu_usage'], range, wish: { points: 1000 }, nowMs };
  const { series, degraded } = await queries.worker(ask, new Budget(systemClock));
  expect(degraded).toBeUndefined();
  expect(series[0]?.points).toHaveLength(35);
  expect(series[0]?.gaps).toEqual([{ fromMs: all[19]?.atMs, toMs: all[45]?.atMs, reason: 'database_away', lost: 25 }]);
});

test('a database that fails in the middle is replaced by the ring: no sample is there twice', async () => {
  const { all, directory, nowMs, close } = await recorded(Array(RING).fill(5000), [RING], false);
  onTestFinished(close);
  const reader: Partial<HistoryReader> = {
    async samples(_, visit) {
      visit.part(sampleRun({ workerId: 'a', first: 0, count: 3, fromMs: START }), { bootId: 'x', next: 3 });
      throw new HistoryError('away', 'the connection broke');
    },
    workers: async () => [],
    figures: async () => ({ bytes: 0, oldestMs: {}, deletedEarly: 0, damaged: 0 }),
    gaps: async () => [],
    events: async () => [],
  };
  const queries = new HistoryQueries({ directory, open: async () => reader as HistoryReader });
  const ask = { workerId: 'a', metrics: ['cpu_usage'], range: rangeOf({}, nowMs), wish: { points: 1000 }, nowMs };
  const { series, degraded } = await queries.worker(ask, new Budget(systemClock));
  expect(degraded).toEqual({ code: 'away', detail: 'the connection broke' });
  expect(series[0]?.points.map(({ atMs, last }) => [atMs, last])).toEqual(
    all.slice(1).map(({ atMs, value }) => [atMs, value]),
  );
  expect(series[0]?.gaps).toEqual([{ fromMs: nowMs - HOUR, toMs: all[1]?.atMs, reason: 'database_away', lost: 0 }]);
});

test('a query for many workers ends early when its owner goes, also if all is in memory', async () => {
  const clock = new FakeClock(START);
  const fleet = new Fleet(clock, 40, RING);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => takeIn(directory, items);
  const ids = Array.from({ length: 40 }, (_, n) => `w-${n}`);
  for (const id of ids) {
    fleet.register(id);
    fleet.beat(id, { cpuUsage: 1 });
  }
  let asked = 0;
  const reader: Partial<HistoryReader> = {
    workers: async () => [],
    figures: async () => ({ bytes: 0, oldestMs: {}, deletedEarly: 0, damaged: 0 }),
    gaps: async () => [],
    async events() {
      // As a message to the thread, which it gets in a turn of its own.
      if (++asked === 2) setImmediate(() => budget.cancel());
      return [];
    },
  };
  const queries = new HistoryQueries({ directory, open: async () => reader as HistoryReader });
  const budget = new Budget(systemClock);
  const range = { fromMs: START, toMs: START + 1 };
  const query = { metrics: ['cpu_usage'], range, wish: { points: 10 }, nowMs: START, criteria: NO_CRITERIA };
  const wanted = { workerIds: ids, withForgotten: false, overTime: undefined, overWorkers: undefined, by: undefined };
  await expect(queries.fleet({ ...query, ...wanted }, budget)).rejects.toMatchObject({ code: 'unavailable' });
  expect(asked).toBeLessThan(10);
});

test('a query ends when its budget is used up or its owner has gone', async () => {
  const { queries, nowMs, close } = await recorded(Array(20).fill(5000), [20], false);
  onTestFinished(close);
  const ask = { workerId: 'a', metrics: ['cpu_usage'], range: rangeOf({}, nowMs), wish: { points: 1000 }, nowMs };
  const gone = new Budget(systemClock);
  gone.cancel();
  await expect(queries.worker(ask, gone)).rejects.toMatchObject({ code: 'unavailable' });
  const clock = new FakeClock(0);
  const late = new Budget(clock, 1000);
  clock.advance(1001);
  await expect(queries.worker(ask, late)).rejects.toMatchObject({ code: 'resource_exhausted' });
  const much = new Budget(systemClock);
  much.read(MAX_VALUES_READ);
  await expect(queries.worker(ask, much)).rejects.toMatchObject({ code: 'too_large' });
});
