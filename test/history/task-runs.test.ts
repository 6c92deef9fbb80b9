import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TaskRun } from '../../src/history/task-run.ts';
import { MOST_REMEMBERED, REMEMBERED_MS, TaskRuns } from '../../src/history/task-runs.ts';
import type { AtSample, TaskChange, TaskEvent, TasksBegin } from '../../src/model/task-change.ts';

const W = 'w';

/** The same, as it is in a database: the newest state of each run, in order. */
class Database {
  readonly #runs = new Map<string, TaskRun>();

  write(runs: readonly TaskRun[]): void {
    for (const run of runs) this.#runs.set(`${run.workerId} ${run.taskId} ${run.firstSeenMs}`, run);
  }

  get runs(): TaskRun[] {
    return [...this.#runs.values()].sort((one, other) => one.firstSeenMs - other.firstSeenMs);
  }
}

const listed = (taskId: string, startedMs: number | null = null, status = 'running'): TaskEvent => ({
  type: 'listed',
  taskId,
  status,
  cpuAllocated: 2,
  memoryAllocated: 0.5,
  gpuAllocated: 0,
  startedMs,
});
const left = (taskId: string, lastSeenMs: number): TaskEvent => ({ type: 'left', taskId, lastSeenMs });
const ended = (taskId: string, values: Partial<Extract<TaskEvent, { type: 'ended' }>> = {}): TaskEvent => ({
  type: 'ended',
  taskId,
  startedMs: null,
  endedMs: null,
  outcome: 'finished',
  exitCode: null,
  cpuSeconds: null,
  maxRssBytes: null,
  ...values,
});
const BEGIN = { type: 'begin', lastSeenMs: null } as const;
const GONE = { type: 'gone' } as const;

/** Heartbeats 1 s apart, from 1000. */
function at(sample: number, ...events: (TaskEvent | TasksBegin | typeof GONE)[]): TaskChange[] {
  return events.map((event) => ({ ...event, sample, atMs: 1000 * (sample + 1) }) as TaskChange);
}

function runsAfter(changes: readonly TaskChange[], before: readonly TaskRun[] = []): TaskRun[] {
  const database = new Database();
  database.write(before);
  const runs = new TaskRuns({ runs: before });
  database.write(runs.apply(W, changes));
  return database.runs;
}

const RUN: TaskRun = {
  workerId: W,
  taskId: 'a',
  firstSeenMs: 1000,
  lastSeenMs: null,
  startedMs: null,
  endedMs: null,
  status: 'running',
  cpuAllocated: 2,
  memoryAllocated: 0.5,
  gpuAllocated: 0,
  outcome: 'running',
  exitCode: null,
  cpuSeconds: null,
  maxRssBytes: null,
};

test('a task runs from its first heartbeat on, with the values of the last one', () => {
  expect(runsAfter(at(0, BEGIN, listed('a')))).toEqual([RUN]);
  expect(runsAfter([...at(0, listed('a')), ...at(3, listed('a', 500, 'paused'))])).toEqual([
    { ...RUN, startedMs: 500, status: 'paused' },
  ]);
});

test('a task that leaves the list has ended, and may be told later how', () => {
  const gone = [...at(0, listed('a')), ...at(5, left('a', 5000))];
  expect(runsAfter(gone)).toEqual([{ ...RUN, lastSeenMs: 5000, outcome: 'ended' }]);
  const told = ended('a', { endedMs: 5400, outcome: 'failed', exitCode: 3, cpuSeconds: 1.5, maxRssBytes: 4096 });
  const end = { lastSeenMs: 5000, endedMs: 5400, outcome: 'failed', exitCode: 3, cpuSeconds: 1.5, maxRssBytes: 4096 };
  expect(runsAfter([...gone, ...at(7, told)])).toEqual([{ ...RUN, ...end }]);
  expect(runsAfter([...at(0, listed('a')), ...at(5, left('a', 5000), told), ...at(6, told)])).toEqual([
    { ...RUN, ...end },
  ]);
});

test('a task may be told to have ended while it is still listed', () => {
  const told = [...at(0, listed('a')), ...at(2, ended('a', { endedMs: 2900 }))];
  expect(runsAfter(told)).toEqual([{ ...RUN, lastSeenMs: 3000, endedMs: 2900, outcome: 'finished' }]);
  const changes = [...told, ...at(3, listed('a', null, 'done')), ...at(9, left('a', 9000))];
  expect(runsAfter(changes)).toEqual([
    { ...RUN, status: 'done', lastSeenMs: 9000, endedMs: 2900, outcome: 'finished' },
  ]);
});

test('a task that was never listed is a run of its own, however often it is told', () => {
  const told = ended('short', { startedMs: 1200, endedMs: 1300, outcome: 'killed', exitCode: -9 });
  const run = { ...RUN, taskId: 'short', status: '', cpuAllocated: 0, memoryAllocated: 0 };
  expect(runsAfter([...at(1, told), ...at(2, told), ...at(3, told)])).toEqual([
    { ...run, firstSeenMs: 2000, lastSeenMs: 2000, startedMs: 1200, endedMs: 1300, outcome: 'killed', exitCode: -9 },
  ]);
  expect(runsAfter([...at(1, ended('short')), ...at(2, ended('short'))])).toMatchObject([
    { firstSeenMs: 2000, outcome: 'finished' },
  ]);
});

test('several short runs of one task in one heartbeat stay apart', () => {
  const told = [1, 2, 3].map((n) => ended('a', { startedMs: 100 * n, endedMs: 100 * n + 50 }));
  const runs = runsAfter([...at(0, ...told), ...at(1, ...told)]);
  expect(runs.map(({ firstSeenMs, startedMs }) => [firstSeenMs, startedMs])).toEqual([
    [1000, 100],
    [1001, 200],
    [1002, 300],
  ]);
});

test('the same task id later is a new run, and repeated ends of the first one do not end it', () => {
  const first = ended('a', { endedMs: 2500 });
  const changes = [
    ...at(0, listed('a')),
    ...at(2, left('a', 2000), first),
    ...at(3, first, listed('a')),
    ...at(4, first),
  ];
  expect(runsAfter(changes)).toEqual([
    { ...RUN, lastSeenMs: 2000, endedMs: 2500, outcome: 'finished' },
    { ...RUN, firstSeenMs: 4000 },
  ]);
});

test('another start is another run, the same start the same one', () => {
  expect(runsAfter([...at(0, listed('a', 100)), ...at(4, listed('a', 200))])).toMatchObject([
    { startedMs: 100, outcome: 'ended', lastSeenMs: 5000 },
    { startedMs: 200, outcome: 'running', firstSeenMs: 5000 },
  ]);
  expect(runsAfter([...at(0, listed('a', 100)), ...at(2, left('a', 2000)), ...at(4, listed('a', 100))])).toEqual([
    { ...RUN, startedMs: 100 },
  ]);
  // Of the first run, which is known to have started before the second.
  const late = ended('a', { endedMs: 150 });
  expect(
    runsAfter([...at(0, listed('a', 100)), ...at(1, left('a', 1000), listed('a', 200)), ...at(2, late)]),
  ).toMatchObject([
    { startedMs: 100, outcome: 'finished', endedMs: 150 },
    { startedMs: 200, outcome: 'running' },
  ]);
});

test('after a restart of the master, tasks that are listed run on, and others have ended when the worker was last heard', () => {
  const before = [RUN, { ...RUN, taskId: 'b' }, { ...RUN, taskId: 'c', startedMs: 10 }, { ...RUN, workerId: 'other' }];
  const runs = new TaskRuns({ runs: before, heardMs: (workerId) => (workerId === W ? 7000 : undefined) });
  const changes = at(0, BEGIN, listed('a'), listed('c', 11)).map((change) => ({ ...change, atMs: 90_000 }));
  const changed = runs.apply(W, [...changes, ...at(1, left('a', 90_000))]);
  expect(new Set(changed)).toEqual(
    new Set([
      { ...RUN, lastSeenMs: 90_000, outcome: 'ended' },
      { ...RUN, taskId: 'b', lastSeenMs: 7000, outcome: 'ended' },
      { ...RUN, taskId: 'c', startedMs: 10, lastSeenMs: 7000, outcome: 'ended' },
      { ...RUN, taskId: 'c', startedMs: 11, firstSeenMs: 90_000 },
    ]),
  );
  expect(runs.workersWithTasks()).toEqual([W, 'other']);
});

test('after lost changes, what is not listed any more has ended', () => {
  const changes = [
    ...at(0, listed('a'), listed('b')),
    ...at(9, { ...BEGIN, lastSeenMs: 8000 }, listed('b'), listed('c')),
    ...at(10, left('b', 10_000)),
  ];
  expect(runsAfter(changes)).toMatchObject([
    { taskId: 'a', outcome: 'ended', lastSeenMs: 8000 },
    { taskId: 'b', outcome: 'ended', lastSeenMs: 10_000 },
    { taskId: 'c', outcome: 'running', firstSeenMs: 10_000 },
  ]);
});

test('the tasks of a worker that is removed have ended; its next heartbeats are new runs', () => {
  const changes = [
    ...at(0, listed('a')),
    ...at(4, GONE),
    ...at(0, BEGIN, listed('a')).map((c) => ({ ...c, atMs: 9000 })),
  ];
  expect(runsAfter(changes)).toEqual([
    { ...RUN, lastSeenMs: 5000, outcome: 'ended' },
    { ...RUN, firstSeenMs: 9000 },
  ]);
});

test('what was rolled back may be applied again', () => {
  const runs = new TaskRuns({ runs: [] });
  runs.apply(W, at(0, listed('a')));
  runs.commit(1000);
  const changes = [...at(1, left('a', 1000), listed('b')), ...at(2, ended('b'))];
  const once = runs.apply(W, changes);
  runs.rollback();
  expect(runs.apply(W, changes)).toEqual(once);
  expect(runs.apply(W, at(3, ended('b')))).toEqual([]);
});

test('an end is remembered for an hour', () => {
  const told = ended('a', { endedMs: 5 });
  const repeatAfter = (ms: number) => {
    const runs = new TaskRuns({ runs: [] });
    runs.apply(W, at(0, told));
    runs.commit(1000);
    runs.commit(1000 + ms);
    return runs.apply(W, at(9, told));
  };
  expect(repeatAfter(REMEMBERED_MS - 1)).toEqual([]);
  expect(repeatAfter(REMEMBERED_MS)).toHaveLength(1);
});

test('only so many ends are remembered, the newest', () => {
  const runs = new TaskRuns({ runs: [] });
  for (let n = 0; n <= MOST_REMEMBERED; n += 10_000) {
    runs.apply(W, at(n, ...Array.from({ length: 10_000 }, (_, i) => ended(`t${n + i}`, { endedMs: 1 }))));
    runs.commit(1000);
  }
  expect(runs.apply(W, at(1, ended(`t${MOST_REMEMBERED}`, { endedMs: 1 })))).toEqual([]);
  expect(runs.apply(W, at(1, ended('t0', { endedMs: 1 })))).toHaveLength(1);
});

interface Planned {
  readonly task: number;
  readonly gap: number;
  readonly length: number;
  readonly outcome: 'finished' | 'failed' | 'killed' | 'vanished' | undefined;
  readonly repeats: number;
  readonly delay: number;
}

const planned: fc.Arbitrary<Planned> = fc.record({
  task: fc.nat(2),
  gap: fc.integer({ min: 0, max: 25 }),
  length: fc.integer({ min: 1, max: 60 }),
  outcome: fc.constantFrom('finished', 'failed', 'killed', 'vanished', undefined),
  repeats: fc.integer({ min: 1, max: 4 }),
  delay: fc.nat(2),
});

const BEAT = 10;
/** So that runs whose times differ by a millisecond, to tell them apart, are seen at the same beat. */
const MS = 100;

/**
 * A worker whose tasks run one after another per id, in tenths of a beat: at each beat it lists those that run, and tells the ends of
 * those that have, from `delay` beats later on, `repeats` times. Tasks without a told end that no beat saw are not known to anybody.
 */
function simulated(plan: readonly Planned[], withStarts: boolean) {
  const clocks = [1, 1, 1];
  // Without starts, such a worker tells all ends or none: one that is told would be taken for one that was not.
  const tellsNone = !withStarts && plan[0]?.outcome === undefined;
  const lives = plan.map(({ task, gap, length, outcome, ...rest }) => {
    // Without starts, two runs of an id between which no beat is cannot be told apart.
    const from = withStarts ? (clocks[task] as number) + gap : nextFrom((clocks[task] as number) + gap);
    clocks[task] = from + length + 1;
    const told = withStarts ? outcome : tellsNone ? undefined : (outcome ?? 'vanished');
    return { taskId: `t${task}`, from, to: from + length, ...rest, outcome: told };
  });
  function nextFrom(time: number): number {
    return Math.ceil(time / BEAT) * BEAT + 1;
  }
  const beats = Math.ceil(Math.max(0, ...lives.map(({ to }) => to)) / BEAT) + 8;
  const samples: { listed: { taskId: string; start: number }[]; told: TaskEvent[]; atMs: number }[] = [];
  for (let beat = 0; beat <= beats; beat++) {
    const now = beat * BEAT;
    const told = lives.flatMap(({ taskId, from, to, outcome, repeats, delay }) => {
      // Without starts, an end is the last run's that has none yet.
      const first = Math.ceil(to / BEAT) + (withStarts ? delay : 0);
      if (outcome === undefined || beat < first || beat >= first + repeats) return [];
      return ended(taskId, { startedMs: withStarts ? from : null, endedMs: to, outcome });
    });
    const there = lives.filter(({ from, to }) => from <= now && now < to);
    samples.push({ listed: there.map(({ taskId, from }) => ({ taskId, start: from })), told, atMs: now * MS });
  }
  const expected = lives.flatMap(({ taskId, from, to, outcome }) => {
    const seen = samples.filter(({ atMs }) => from * MS <= atMs && atMs < to * MS);
    if (seen.length === 0 && outcome === undefined) return [];
    return {
      taskId,
      from,
      outcome: outcome ?? 'ended',
      endedMs: outcome && to,
      seen: seen.length > 0 && seen.at(-1)?.atMs,
    };
  });
  return { samples, expected };
}

/** As a lane logs it: what differs from the last list, then told ends, then what is listed. */
function changesOf(samples: ReturnType<typeof simulated>['samples'], index: number, withStarts: boolean, all: boolean) {
  const { listed: now, told, atMs } = samples[index] as (typeof samples)[number];
  const last = samples[index - 1];
  const before = all ? [] : (last?.listed ?? []);
  const isIn = (list: typeof now, { taskId, start }: (typeof now)[number]) =>
    list.some((task) => task.taskId === taskId && (!withStarts || task.start === start));
  const place: AtSample = { sample: all ? 0 : index, atMs };
  const events: (TaskEvent | TasksBegin)[] = [
    ...(all ? [BEGIN] : []),
    ...before.filter((task) => !isIn(now, task)).map(({ taskId }) => left(taskId, last?.atMs ?? 0)),
    ...told,
    ...now.filter((task) => !isIn(before, task)).map(({ taskId, start }) => listed(taskId, withStarts ? start : null)),
  ];
  return events.map((event) => ({ ...event, ...place }) as TaskChange);
}

test.each([[true], [false]])(
  'each run of a task is recorded once, with its end, through repeated ends, restarts and retries (starts known: %s)',
  (withStarts) => {
    const restarts = fc.array(fc.constantFrom('no', 'no', 'no', 'thread', 'master', 'retry'), {
      minLength: 40,
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.array(planned, { maxLength: 8 }), restarts, (plan, happens) => {
        const { samples, expected } = simulated(plan, withStarts);
        const database = new Database();
        let heardMs = 0;
        let runs = new TaskRuns({ runs: [] });
        for (const [index, { atMs }] of samples.entries()) {
          const event = happens[index % happens.length];
          if (event === 'thread' || event === 'master') {
            runs = new TaskRuns({ runs: database.runs, heardMs: () => heardMs });
          }
          const changes = changesOf(samples, index, withStarts, event === 'master' || index === 0);
          if (event === 'retry') {
            runs.apply(W, changes);
            runs.rollback();
          }
          database.write(runs.apply(W, changes));
          runs.commit(atMs);
          heardMs = atMs;
        }
        const found = database.runs.map(({ taskId, outcome, endedMs, lastSeenMs }) => ({
          taskId,
          outcome,
          endedMs,
          lastSeenMs: Math.floor((lastSeenMs ?? -MS) / MS) * MS,
        }));
        const key = (run: { taskId: string; endedMs: number | null }) => `${run.taskId} ${run.endedMs}`;
        const wanted = expected.map(({ taskId, outcome, endedMs, seen }) => ({
          taskId,
          outcome,
          endedMs: endedMs ?? null,
          lastSeenMs: seen === false ? expect.any(Number) : seen,
        }));
        const inOrder = <T extends { taskId: string; endedMs: number | null }>(list: T[]) =>
          [...list].sort((one, other) => key(one).localeCompare(key(other)));
        expect(inOrder(found)).toEqual(inOrder(wanted));
      }),
      { numRuns: 300 },
    );
  },
);
