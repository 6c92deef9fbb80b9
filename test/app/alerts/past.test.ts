import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { WindowFiller } from '../../../src/alerts/evaluation/window-filler.ts';
import { WindowSet } from '../../../src/alerts/evaluation/window-set.ts';
import { WorkerFacts } from '../../../src/alerts/evaluation/worker-facts.ts';
import type { WindowCall } from '../../../src/alerts/expression/checked.ts';
import type { PastValues } from '../../../src/alerts/past.ts';
import { HistoryPast } from '../../../src/app/alerts/past.ts';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { Directory } from '../../../src/reading/directory.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { batchOf, KEEP_ALL, sampleRun, settle } from '../../history/history-data.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Fleet } from '../../support/fleet.ts';

const START = Date.UTC(2026, 2, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const opened: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** A worker that sent every 10 s for so long: all of it in the database, the last values in its ring, too. */
async function recorded({ hours, isSealed }: { hours: number; isSealed: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-past-'));
  opened.push(() => rmSync(folder, { recursive: true }));
  const place = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  const writer = await sqlite.openWriter(place, () => {});
  opened.push(() => writer.close());
  const clock = new FakeClock(START);
  const fleet = new Fleet(clock, 4, 8);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  fleet.register('w');
  const { bootId } = directory.board;
  await writer.begin({ bootId, startedMs: START });
  const at: number[] = [];
  const values: number[] = [];
  for (let n = 0; n < hours * 360; n++) {
    clock.advance(10_000);
    // Rises by 1 an hour, with a spike each hour.
    const value = n % 360 === 180 ? 90 : 10 + n / 360;
    fleet.beat('w', { cpuUsage: value });
    at.push(clock.wallMs());
    values.push(value);
  }
  const run = sampleRun({ workerId: 'w', count: values.length, value: (n) => values[n] as number });
  await writer.write(batchOf(bootId, 1, { atMs: clock.wallMs(), samples: [{ ...run, at: Float64Array.from(at) }] }));
  if (isSealed) await settle(writer, clock.wallMs() + 3 * HOUR, KEEP_ALL);
  const past = new HistoryPast({ directory, place, clock });
  opened.push(() => past.close());
  return { past, clock, directory };
}

async function read(past: HistoryPast, toMs: number, windowMs: number, resolutionMs: number) {
  const taken: PastValues[] = [];
  const range = { fromMs: toMs - windowMs, toMs };
  await past.read({ workerIds: ['w', 'nobody'], key: 'cpu_usage', ...range, resolutionMs }, (workerId, values) => {
    expect(workerId).toBe('w');
    taken.push(values);
  });
  return taken;
}

const countOf = (taken: readonly PastValues[]) =>
  taken.reduce((sum, { count }) => sum + count.reduce((all, each) => all + each, 0), 0);

test('short windows read samples, longer ones minutes and hours, each sample once', async () => {
  const { past, clock } = await recorded({ hours: 6, isSealed: true });
  const toMs = clock.wallMs() + 1;
  const samples = await read(past, toMs, 10 * MINUTE, 10_000);
  expect(samples.every(({ bucketMs }) => bucketMs === 0)).toBe(true);
  expect(countOf(samples)).toBeGreaterThanOrEqual(60);
  const minutes = await read(past, toMs, 2 * HOUR, 2 * MINUTE);
  expect(minutes.some(({ bucketMs }) => bucketMs === MINUTE)).toBe(true);
  const hours = await read(past, toMs, 4 * HOUR, HOUR);
  expect(hours.some(({ bucketMs }) => bucketMs === HOUR)).toBe(true);
  expect(Math.max(...hours.flatMap(({ max }) => [...max].filter((each) => !Number.isNaN(each))))).toBe(90);
});

test.each([
  ['minutes', true],
  ['samples that are not sealed yet', false],
])('fills windows with %s', async (_, isSealed) => {
  const { past, clock, directory } = await recorded({ hours: 3, isSealed });
  const call = (kind: WindowCall['kind'], aheadMs?: number): WindowCall => ({
    kind,
    metric: 'cpu_usage',
    windowMs: 2 * HOUR,
    aheadMs,
  });
  const calls = [call('avg_over'), call('max_over'), call('min_over'), call('predict', 10 * HOUR)];
  const windows = new WindowSet();
  windows.set(calls);
  const facts = new WorkerFacts(directory);
  facts.refresh({ unixMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }, windows);
  const at = (n: number) => windows.get(calls[n] as WindowCall)?.at(0, clock.monotonicMs());
  expect(at(0)).toBeNaN();
  const filler = new WindowFiller({ past, clock, workers: facts.workers, windows, log: undefined });
  filler.fill(calls);
  await filler.ended;
  expect(at(0)).toBeCloseTo(12.2, 0);
  expect(at(1)).toBe(90);
  expect(at(2)).toBeCloseTo(11, 1);
  // Two of the 720 values are spikes, which move the line a little.
  expect(at(3)).toBeGreaterThan(20);
  expect(at(3)).toBeLessThan(26);
});

test('a database that cannot be read is told', async () => {
  const { clock, directory } = await recorded({ hours: 1, isSealed: false });
  const past = new HistoryPast({ directory, place: { kind: 'sqlite', path: tmpdir() }, clock });
  opened.push(() => past.close());
  await expect(read(past, clock.wallMs(), HOUR, MINUTE)).rejects.toThrow(/./);
});
