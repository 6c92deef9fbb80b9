/** A wall clock that goes back and forth neither loses, doubles nor reorders what is kept. */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DatabasePlace } from '../../src/history/database.ts';
import { openDatabase } from '../../src/history/open-database.ts';
import { openReader } from '../../src/history/open-reader.ts';
import { describeWithPostgres } from '../support/postgres.ts';
import { repetitions } from '../support/repetitions.ts';
import { storedSamples } from '../support/stored-samples.ts';
import { DAY, HOUR } from './history-data.ts';
import { readSamples } from './history-model.ts';
import { Master, newFolder } from './master.ts';

const YEARS = 5 * 365 * DAY;

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ beats: fc.integer({ min: 1, max: 3 }), worker: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ passMs: fc.constantFrom(500, 2000, 60_000) }) },
  { weight: 2, arbitrary: fc.record({ stepMs: fc.integer({ min: -7_200_000, max: 7_200_000 }) }) },
  { weight: 1, arbitrary: fc.record({ stepMs: fc.constantFrom(-YEARS, -40 * DAY, 40 * DAY, YEARS) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true }) },
);

test('a wall clock that goes back and forth: every sample once, in order of receipt, at its own time of receipt', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const folder = newFolder();
      const place = { kind: 'sqlite', path: join(folder, '..', 'history.db') } as const;
      const lost = (message: string) => {
        throw new Error(message);
      };
      const master = new Master({ open: () => openDatabase(place, lost), isHanging: false }, { folder });
      await master.startThread();
      const receivedAt = new Map<string, number[]>();
      for (const one of steps) {
        if ('beats' in one) {
          const workerId = `w${one.worker}`;
          const times = receivedAt.get(workerId) ?? [];
          receivedAt.set(workerId, times);
          for (let beat = 0; beat < one.beats; beat++) times.push(master.clock.wallMs());
          master.beat(workerId, one.beats);
          // The rings of this test are tiny.
          await master.pass(500);
        } else if ('passMs' in one) await master.pass(one.passMs);
        else if ('stepMs' in one) master.clock.stepWall(one.stepMs);
        else await master.startThread();
      }
      await master.pass(2000);
      await master.recorder.stop();
      const stored = await storedSamples(join(folder, '..'), [...master.beats.keys()], 'cpu_usage');
      for (const [workerId, beats] of master.beats) {
        const runs = stored.get(workerId) ?? [];
        expect(runs.flatMap(({ values }) => values)).toEqual(Array.from({ length: beats }, (_, n) => n));
        expect(runs.flatMap(({ at }) => at)).toEqual(receivedAt.get(workerId));
      }
    }),
    { numRuns: repetitions(8, 200) },
  );
});

const DEFAULT_RETENTION = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 730 * DAY, maxBytes: undefined };

/** A master whose clock is wrong for minutes, also over a start of its history thread. @returns what was told, and is not there */
async function clockWrongBy(
  place: DatabasePlace,
  byMs: number,
): Promise<{ losses: readonly string[]; missing: number }> {
  const master = new Master({ open: () => openDatabase(place, expect.unreachable), isHanging: false });
  const options = { retention: DEFAULT_RETENTION };
  await master.startThread(options);
  const beat = async (times: number) => {
    for (let n = 0; n < times; n++) {
      master.beat('a');
      await master.pass(11_000);
    }
  };
  await beat(5);
  master.clock.stepWall(byMs);
  await beat(5);
  await master.startThread(options);
  await beat(5);
  master.clock.stepWall(-byMs);
  await beat(5);
  await master.recorder.stop();
  const reader = await openReader(place, expect.unreachable);
  const range = { workerIds: ['a'], fromMs: 0, toMs: 1e15, keys: undefined };
  const stored = (await readSamples(reader, range)).items.get('a') ?? [];
  await reader.close();
  return { losses: master.losses, missing: 20 - stored.length };
}

const steps = [
  ['five years forth', YEARS],
  ['a month forth', 31 * DAY],
  ['three days back', -3 * DAY],
  ['five years back', -YEARS],
  ['an hour back', -HOUR],
] as const;

test.each(steps)('SQLite loses nothing while the clock is %s', async (_, byMs) => {
  const place = { kind: 'sqlite', path: join(newFolder(), '..', 'history.db') } as const;
  const { losses, missing } = await clockWrongBy(place, byMs);
  expect(missing).toBe(0);
  // Once as it steps forth, and again for the new thread.
  const forth = expect.stringMatching(
    /^the clock went forth by [0-9.]+ days .* for 60 min nothing is deleted as too old/,
  );
  if (byMs > 0) expect(losses).toEqual([forth, forth]);
});

describeWithPostgres(18)('a clock that is wrong', (server) => {
  test.each(steps)('PostgreSQL loses nothing while the clock is %s', async (_, byMs) => {
    const place = { kind: 'postgres', url: await server().createDatabase() } as const;
    expect((await clockWrongBy(place, byMs)).missing).toBe(0);
  });
});

test('a clock that goes back, and then forth over a restart of the thread within seconds, deletes nothing', async () => {
  const folder = newFolder();
  const place = { kind: 'sqlite', path: join(folder, '..', 'history.db') } as const;
  const master = new Master({ open: () => openDatabase(place, expect.unreachable), isHanging: false }, { folder });
  await master.startThread();
  master.clock.stepWall(-YEARS);
  master.beat('a');
  await master.pass(500);
  master.clock.stepWall(40 * DAY);
  await master.startThread();
  await master.pass(2000);
  await master.recorder.stop();
  const stored = await storedSamples(join(folder, '..'), ['a'], 'cpu_usage');
  expect(stored.get('a')?.flatMap(({ values }) => values)).toEqual([0]);
});
