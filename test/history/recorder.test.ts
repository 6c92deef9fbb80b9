import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { task } from '../support/fleet.ts';
import { repetitions } from '../support/repetitions.ts';
import { Master, newFolder } from './master.ts';
import { MemoryDatabase, type Outcome } from './memory-database.ts';

const valuesOf = (database: MemoryDatabase, workerId: string) =>
  (database.samples.get(workerId) ?? []).map(({ cpu }) => cpu);
const counted = (n: number) => Array.from({ length: n }, (_, value) => value);

test('samples and events are durable within a second, and reported so', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  for (let second = 0; second < 5; second++) {
    master.beat('a', 2);
    master.beat('b');
    master.event();
    await master.pass(1000);
    expect(valuesOf(database, 'a')).toEqual(counted(2 * second + 2));
    expect(valuesOf(database, 'b')).toEqual(counted(second + 1));
    expect(database.events).toHaveLength(second + 1);
  }
  await master.pass(1000);
  expect(master.status).toMatchObject({ state: 'ok', problem: null, samples: 15, lostEvents: 0 });
  expect(master.clock.wallMs() - (master.status.durableUntilUnixMs as number)).toBeLessThanOrEqual(1000);
});

test('an idle master gives a sign of life every ten seconds, and writes nothing else', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  for (let n = 0; n < 61; n++) await master.pass(500);
  expect(database.runs.values().next().value?.lastBatch).toBe(4);
});

test('a committed batch whose answer was lost is not written twice', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  master.beat('a', 2);
  database.outcomes = ['lost'];
  await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual([0, 1]);
  master.beat('a');
  for (let n = 0; n < 10; n++) await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual([0, 1, 2]);
  expect(database.opened).toBe(2);
});

describe('while the database is away', () => {
  test('the rings hold; before they run over, the spool does; everything arrives, in order, once it is back', async () => {
    const database = new MemoryDatabase();
    const master = new Master(database);
    await master.startThread();
    master.beat('a');
    await master.pass();
    database.broken = 'away';
    for (let n = 1; n < 200; n++) {
      master.beat('a');
      master.event();
      await master.pass(500);
    }
    expect(valuesOf(database, 'a')).toEqual([0]);
    expect(master.status).toMatchObject({ state: 'degraded', problem: { code: 'away', detail: 'it is away' } });
    expect(master.status.spool.batches).toBeGreaterThan(10);
    expect(master.status.waitingSamples).toBeGreaterThan(0);
    database.broken = undefined;
    for (let n = 0; n < 60; n++) await master.pass(500);
    expect(valuesOf(database, 'a')).toEqual(counted(200));
    expect(database.events.map(({ id }) => id)).toEqual(master.events.all().map(({ id }) => id));
    expect(master.status).toMatchObject({ state: 'ok', waitingSamples: 0, spool: { batches: 0, bytes: 0 } });
    expect(master.status.lost.overwritten).toBe(0);
    expect(master.losses).toEqual([]);
  });

  describe('for ten minutes, in which rings have room and many tasks end', () => {
    const lastFor = async (spoolMaxBytes: number) => {
      const database = new MemoryDatabase();
      const master = new Master(database, { ringSamples: 1024, spoolMaxBytes });
      await master.startThread();
      master.beat('a');
      await master.pass();
      database.broken = 'away';
      const endedMs = master.clock.wallMs();
      for (let n = 0; n < 240; n++) {
        const end = {
          startedMs: null,
          endedMs,
          outcome: 'finished',
          exitCode: 0,
          cpuSeconds: 1,
          maxRssBytes: 1,
        } as const;
        master.tasks('a', [], [{ type: 'ended', taskId: `job-${n}`, ...end }]);
        await master.pass(2500);
      }
      database.broken = undefined;
      for (let n = 0; n < 60; n++) await master.pass(500);
      return { stored: database.taskRuns.size, lost: master.status.lostTaskChanges, losses: master.losses };
    };

    test('the spool has them', async () => {
      expect(await lastFor(1024 ** 2)).toEqual({ stored: 240, lost: 0, losses: [] });
    });

    test('without room there, those that are lost are counted, and told once', async () => {
      const { stored, lost, losses } = await lastFor(0);
      expect(stored + lost).toBe(240);
      expect(lost).toBeGreaterThan(0);
      expect(losses.filter((line) => line.includes('tasks'))).toEqual([
        `${lost} changes of tasks are missing in history: memory was reused before they could be stored`,
      ]);
    });
  });

  test('what neither memory nor the spool can hold is lost, counted exactly per worker, and a gap in its place', async () => {
    const database = new MemoryDatabase();
    const master = new Master(database, { spoolMaxBytes: 2000 });
    await master.startThread();
    master.beat('a');
    await master.pass();
    database.broken = 'full';
    for (let n = 1; n < 300; n++) {
      master.beat('a');
      await master.pass(500);
    }
    database.broken = undefined;
    for (let n = 0; n < 60; n++) await master.pass(500);
    const values = valuesOf(database, 'a');
    const missing = 300 - values.length;
    expect(missing).toBeGreaterThan(50);
    expect(values).toEqual([...new Set(values)].sort((x, y) => x - y));
    const gaps = database.gaps.filter(({ workerId, reason }) => workerId === 'a' && reason === 'samples_lost');
    expect(gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(missing);
    const { lost } = master.status;
    expect(lost.spool_full + lost.overwritten).toBe(missing);
    expect(lost.spool_full).toBeGreaterThan(0);
    expect(master.losses).toEqual([expect.stringContaining('HISTORY_SPOOL_MAX is reached')]);
    // The gap lies between the samples around it.
    const samples = database.samples.get('a') ?? [];
    for (const { fromMs, toMs } of gaps) {
      expect(samples.filter(({ at }) => at > fromMs && at < toMs)).toEqual([]);
    }
  });

  test('a stop puts into the spool what the database does not take, and the next master writes it before its own', async () => {
    const database = new MemoryDatabase();
    const folder = newFolder();
    const first = new Master(database, { folder });
    database.broken = 'away';
    await first.startThread();
    first.beat('a', 3);
    first.event();
    const stopping = first.recorder.stop();
    for (let n = 0; n < 20; n++) await first.pass(500);
    await stopping;

    const second = new Master(database, { folder, clock: first.clock });
    await second.startThread();
    second.beat('a', 2);
    database.broken = undefined;
    for (let n = 0; n < 40; n++) await second.pass(500);
    expect((database.samples.get('a') ?? []).map(({ run, cpu }) => [run, cpu])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
      [2, 1],
    ]);
    expect(database.events).toHaveLength(1);
  });
});

test.each(['away', 'full', 'read_only', 'busy'] as const)(
  'a stop behind a spool that has batches already loses nothing while the database is %s',
  async (broken) => {
    for (const beats of [24, 29]) {
      const database = new MemoryDatabase();
      const folder = newFolder();
      const first = new Master(database, { folder });
      await first.startThread();
      database.broken = broken;
      for (let n = 0; n < beats; n++) {
        first.beat('a');
        await first.pass(500);
      }
      first.event();
      expect(first.spool.batches).toBeGreaterThan(0);
      await first.recorder.stop();
      database.broken = undefined;
      const second = new Master(database, { folder, clock: first.clock });
      await second.startThread();
      for (let n = 0; n < 40; n++) await second.pass(500);
      expect(valuesOf(database, 'a')).toEqual(counted(beats));
      expect(database.events).toHaveLength(1);
    }
  },
);

test('a stop tries no database once more that has just failed, and says exactly what nothing took', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database, { spoolMaxBytes: 10 });
  await master.startThread();
  database.broken = 'busy';
  master.beat('a', 2);
  await master.pass(500);
  master.beat('a');
  master.event();
  const { calls } = database;
  await master.recorder.stop();
  expect(database.calls).toBe(calls);
  expect(master.losses.at(-1)).toContain('took 3 samples and 1 events: they are lost');
  expect(master.status).toMatchObject({ lost: { spool_full: 3 }, lostEvents: 1 });
});

describe('a thread that dies', () => {
  const numbersOf = (database: MemoryDatabase, workerId: string) =>
    (database.samples.get(workerId) ?? []).map(({ number }) => number);
  const beats = async (master: Master, times: number) => {
    for (let n = 0; n < times; n++) {
      master.beat('a');
      await master.pass(500);
    }
  };

  test('with a spool that is not empty: the next one writes it, and goes on behind it', async () => {
    const database = new MemoryDatabase();
    const master = new Master(database);
    await master.startThread();
    await beats(master, 20);
    database.broken = 'away';
    await beats(master, 60);
    expect(master.status.spool.batches).toBeGreaterThan(0);
    database.broken = undefined;
    await master.startThread();
    for (let n = 0; n < 30; n++) await master.pass(500);
    expect(numbersOf(database, 'a')).toEqual(counted(80));
    expect(master.status).toMatchObject({ samples: 80 - 20, lost: { overwritten: 0 } });
  });

  test('while the database is away and the spool takes nothing: nothing is there twice, what is missing is counted', async () => {
    const database = new MemoryDatabase();
    const master = new Master(database, { spoolMaxBytes: 0 });
    await master.startThread();
    await beats(master, 20);
    database.broken = 'away';
    master.beat('a', 9);
    await master.startThread();
    await beats(master, 8);
    database.broken = undefined;
    for (let n = 0; n < 60; n++) await master.pass(500);
    const numbers = numbersOf(database, 'a');
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
    const gaps = database.gaps.filter(({ reason }) => reason === 'samples_lost');
    expect(numbers.length + gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(37);
    const { lost } = master.status;
    expect(numbers.length + lost.overwritten + lost.spool_full).toBe(37);
    expect(numbers.length).toBeLessThan(37);
  });

  test('keeps the end of a task that it has put into the spool', async () => {
    const database = new MemoryDatabase();
    const master = new Master(database);
    await master.startThread();
    const job = task('job');
    master.beat('a');
    master.tasks('a', [job], [{ type: 'listed', ...job, startedMs: null }]);
    await master.pass(1000);
    expect([...database.taskRuns.values()]).toMatchObject([{ taskId: 'job', outcome: 'running' }]);
    database.broken = 'away';
    const endedMs = master.clock.wallMs();
    const end = { startedMs: null, endedMs, outcome: 'failed', exitCode: 3, cpuSeconds: 1, maxRssBytes: 1 } as const;
    master.tasks(
      'a',
      [],
      [
        { type: 'left', taskId: 'job', lastSeenMs: endedMs },
        { type: 'ended', taskId: 'job', ...end },
      ],
    );
    for (let n = 0; n < 60; n++) {
      // Others push the entries out of the log.
      master.tasks('a', [], [{ type: 'ended', taskId: `other-${n}`, ...end }]);
      await master.pass(20_000);
    }
    database.broken = undefined;
    await master.startThread();
    for (let n = 0; n < 60; n++) await master.pass(500);
    const jobs = [...database.taskRuns.values()].filter(({ taskId }) => taskId === 'job');
    expect(jobs).toMatchObject([{ outcome: 'failed', exitCode: 3, endedMs }]);
    expect(database.taskRuns.size).toBe(61);
  });
});

test('a database that hangs is told as slow; memory that runs short goes to the spool meanwhile', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  database.outcomes = ['hangs'];
  for (let n = 0; n < 40; n++) {
    master.beat('a');
    await master.pass(500);
  }
  expect(master.status).toMatchObject({ state: 'degraded', problem: { code: 'slow' } });
  expect(master.status.spool.batches).toBeGreaterThan(0);
  database.release();
  for (let n = 0; n < 30; n++) await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual(counted(40).slice(40 - valuesOf(database, 'a').length));
  expect(valuesOf(database, 'a').length + master.status.lost.overwritten).toBe(40);
  expect(master.status.state).toBe('ok');
});

test('what comes while a sign of life hangs is written once the database answers', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  database.outcomes = ['hangs'];
  await master.pass(20_000);
  master.beat('a', 2);
  await master.pass(500);
  database.release();
  for (let n = 0; n < 10; n++) await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual([0, 1]);
});

test('a fault is told once, and once when it is over, however often the database comes and goes', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  await master.pass(2000);
  const states = () => master.statuses.map(({ state }) => state).filter((state, n, all) => state !== all[n - 1]);
  for (let round = 0; round < 10; round++) {
    master.beat('a');
    database.broken = round % 2 === 0 ? 'away' : undefined;
    await master.pass(1000);
  }
  database.broken = undefined;
  for (let n = 0; n < 60; n++) await master.pass(500);
  expect(states()).toEqual(['ok', 'degraded', 'ok']);
});

test('a database whose file was removed is opened again within ten seconds', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  await master.pass(1000);
  database.problem = 'history.db was removed';
  await master.pass(10_000);
  expect(master.status).toMatchObject({
    state: 'degraded',
    problem: { code: 'away', detail: 'history.db was removed' },
  });
  database.problem = undefined;
  await master.pass(10_000);
  expect([database.opened > 1, master.status.state]).toEqual([true, 'ok']);
});

test('a database that is busy for a moment is no fault', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  master.beat('a');
  database.outcomes = ['busy', 'busy'];
  for (let n = 0; n < 10; n++) await master.pass(500);
  expect(master.statuses.some(({ state }) => state === 'degraded')).toBe(false);
  expect(valuesOf(database, 'a')).toEqual([0]);
});

test('what the database refuses for ever becomes a gap; what came with it is written, and its own gaps', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  database.refuses = ({ samples, events }) => samples.some(({ workerId }) => workerId === 'bad') || events.length > 0;
  master.builder.addGap({ workerId: 'x', fromMs: 1, toMs: 2, reason: 'samples_lost', lost: 77 });
  master.beat('bad', 2);
  master.beat('a');
  master.event();
  for (let n = 0; n < 200; n++) await master.pass(500);
  expect(master.losses).toEqual([
    expect.stringContaining('2 samples, 0 runs of tasks and 1 events are lost: it does not like it'),
  ]);
  expect(master.status.lost.refused).toBe(2);
  expect(master.status).toMatchObject({ samples: 1, lostEvents: 1 });
  master.beat('a');
  await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual([0, 1]);
  expect(database.gaps.map(({ workerId, reason, lost }) => [workerId, reason, lost])).toEqual([
    ['x', 'samples_lost', 77],
    ['bad', 'samples_lost', 2],
  ]);
});

test('a database that refuses any batch loses none', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  database.refuses = () => true;
  master.beat('a', 3);
  for (let n = 0; n < 300; n++) await master.pass(500);
  expect(master.status.lost.refused).toBe(0);
  database.refuses = () => false;
  for (let n = 0; n < 40; n++) await master.pass(500);
  expect(valuesOf(database, 'a')).toEqual(counted(3));
});

test('a damaged last record of the spool is counted, logged, and a gap', async () => {
  const database = new MemoryDatabase();
  const folder = newFolder();
  const first = new Master(database, { folder });
  database.broken = 'away';
  await first.startThread();
  first.beat('a', 3);
  await first.recorder.stop();
  const file = join(folder, readdirSync(folder)[0] as string);
  const bytes = readFileSync(file);
  bytes[bytes.length - 5] = (bytes[bytes.length - 5] as number) ^ 1;
  writeFileSync(file, bytes);
  database.broken = undefined;
  const second = new Master(database, { folder, clock: first.clock });
  await second.startThread();
  for (let n = 0; n < 4; n++) await second.pass(500);
  expect(second.status).toMatchObject({ lost: { spool_damaged: 3 }, spool: { damaged: 1, batches: 0 } });
  expect(second.losses).toEqual([
    expect.stringMatching(/^\d+ bytes .* damaged: 3 samples are lost; they are kept as /),
  ]);
  expect(database.gaps).toMatchObject([{ workerId: undefined, reason: 'damaged', lost: 3 }]);
});

test('a database that is full is maintained, which may free what the next batch needs', async () => {
  const database = new MemoryDatabase();
  const master = new Master(database);
  await master.startThread();
  database.broken = 'full';
  database.maintain = () => {
    database.broken = undefined;
    return false;
  };
  master.beat('a', 3);
  await master.pass(40_000);
  expect(valuesOf(database, 'a')).toEqual(counted(3));
});

type Step =
  | { readonly do: 'beat'; readonly worker: number; readonly times: number }
  | { readonly do: 'event' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'break'; readonly broken: 'away' | 'full' | 'busy' | undefined }
  | { readonly do: 'fail'; readonly outcomes: readonly Outcome[] }
  | { readonly do: 'release' }
  | { readonly do: 'restart' };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('beat'), worker: fc.nat(2), times: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('event') }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(500, 1000, 3000, 20_000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('break'), broken: fc.constantFrom('away', 'full', 'busy', undefined) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('fail'),
        outcomes: fc.array(fc.constantFrom<Outcome>('lost', 'hangs', 'away', 'busy', 'failed'), { maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('release') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart') }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 60 },
);

/** An outage that fills the spool, in which, or after which, the thread dies. */
const outage = fc
  .record({
    before: fc.nat(6),
    broken: fc.constantFrom('away' as const, 'full' as const),
    during: fc.array(fc.constantFrom('beats', 'beats', 'beats', 'restart'), { minLength: 2, maxLength: 12 }),
    diesAfter: fc.boolean(),
  })
  .map(({ before, broken, during, diesAfter }): Step[] => {
    const beats = (times: number): Step[] =>
      Array.from({ length: times }, (): Step[] => [
        { do: 'beat', worker: 0, times: 2 },
        { do: 'pass', ms: 500 },
      ]).flat();
    const after: Step[] = diesAfter ? [{ do: 'break', broken: undefined }, { do: 'restart' }] : [];
    return [
      ...beats(before),
      { do: 'break', broken },
      ...during.flatMap((what): Step[] => (what === 'beats' ? beats(6) : [{ do: 'restart' }])),
      ...after,
      { do: 'break', broken: undefined },
    ];
  });
const histories = fc.oneof(
  steps,
  fc.array(fc.oneof(steps, outage), { minLength: 1, maxLength: 3 }).map((parts) => parts.flat()),
);
/** A master that shares its database reconnects, and what waited is written, although the other's events are newer. */
test.each([
  ['behind', -3_600_000],
  ['ahead', 3_600_000],
])('no event of two masters on one database is lost when it was away and one clock is %s', async (_, byMs) => {
  const database = new MemoryDatabase();
  const masters = [new Master(database), new Master(database)];
  for (const [index, master] of masters.entries()) {
    if (index === 1) master.clock.stepWall(byMs);
    await master.startThread({ onLastEventId: (id) => master.events.raise(id) });
    master.event();
    await master.pass(1000);
  }
  database.broken = 'away';
  for (let n = 0; n < 5; n++) {
    for (const master of masters) {
      master.event();
      await master.pass(500);
    }
  }
  database.broken = undefined;
  for (const master of masters) await master.pass(20_000);
  const ids = masters.flatMap((master) => master.events.all().map(({ id }) => id));
  expect(ids).toHaveLength(12);
  expect(database.events.map(({ id }) => id).sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b));
});

/** With 0, what does not fit into the rings is lost. */
const spoolSizes = fc.constantFrom(1024 ** 2, 1024 ** 2, 3000, 0);

test('whatever fails and whenever the thread dies, each sample is there once and in order, or counted as lost', async () => {
  await fc.assert(
    fc.asyncProperty(histories, spoolSizes, async (all, spoolMaxBytes) => {
      const database = new MemoryDatabase();
      const master = new Master(database, { spoolMaxBytes });
      await master.startThread();
      for (const step of all) {
        if (step.do === 'beat') master.beat(`w${step.worker}`, step.times);
        else if (step.do === 'event') master.event();
        else if (step.do === 'pass') await master.pass(step.ms);
        else if (step.do === 'break') database.broken = step.broken;
        else if (step.do === 'fail') database.outcomes = [...step.outcomes];
        else if (step.do === 'release') database.release();
        else await master.startThread();
      }
      database.broken = undefined;
      database.outcomes = [];
      for (let n = 0; n < 80; n++) {
        database.release();
        await master.pass(1000);
      }
      expect(database.events.map(({ id }) => id)).toEqual(master.events.all().map(({ id }) => id));
      for (const [workerId, beats] of master.beats) {
        const stored = database.samples.get(workerId) ?? [];
        const numbers = stored.map(({ number }) => number);
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        const values = stored.map(({ cpu }) => cpu);
        expect(values).toEqual([...new Set(values)].sort((a, b) => a - b));
        expect(values.at(-1)).toBe(beats - 1);
        const gaps = database.gaps.filter((gap) => gap.workerId === workerId && gap.reason === 'samples_lost');
        expect(numbers.length + gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(beats);
      }
    }),
    { numRuns: repetitions(15, 500) },
  );
});
