import { afterEach, expect, test } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { SampleFlag } from '../../src/model/sample-flags.ts';
import type { Announcement } from '../../src/reading/directory.ts';
import { SampleDrain } from '../../src/reading/sample-drain.ts';
import { BoardReader } from '../../src/store/board.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function drained(options: TelemetryManagerOptions = {}) {
  const manager = new TelemetryManager({
    maxWorkers: 20,
    maxDedicatedLanes: 1,
    sharedLanes: 1,
    samples: { spanMs: 60_000 },
    ...options,
  });
  running.push(manager);
  await manager.start();
  const drain = new SampleDrain(new BoardReader(manager.boardMemory));
  const announced: Announcement[] = [];
  const listen = () => {
    for (const announcement of manager.announcements()) drain.apply(announcement);
    manager.onAnnouncement((announcement) => {
      announced.push(announcement);
      drain.apply(announcement);
    });
  };
  /** Of each worker, by the value that each heartbeat had. */
  const taken = new Map<string, number[]>();
  const metrics = new Map<string, number[]>();
  const take = () => {
    drain.drain((workerId, columns) => {
      const values = taken.get(workerId) ?? [];
      taken.set(workerId, values);
      for (let n = 0; n < columns.count; n++) values.push(columns.cpuUsage[n] as number);
      for (const [column, name] of columns.metricKeys.entries()) {
        const all = metrics.get(name) ?? [];
        metrics.set(name, all);
        for (const value of columns.metrics[column]?.subarray(0, columns.count) ?? []) {
          if (!Number.isNaN(value)) all.push(value);
        }
      }
    });
    drain.commit();
  };
  return { manager, drain, announced, listen, taken, metrics, take };
}

/** Resolves when the sample with this value can be read: a moment after its record. */
function hasStored(manager: TelemetryManager, workerId: string, cpuUsage: number) {
  return eventually(
    () =>
      manager.getWorkerTelemetry(workerId)?.cpuUsage === cpuUsage &&
      manager.directory.get(workerId)?.slot.isInHand === false,
  );
}

const PROCESSOR = new URL('../support/processors/faulty.mjs', import.meta.url);

test.each([
  ['without a processor', undefined],
  ['with one', PROCESSOR],
])(
  'workers that come, send, grow and go leave each applied heartbeat as one sample, in order: lanes %s',
  async (_, processor) => {
    const { manager, drain, listen, taken, metrics, take } = await drained({ processor });
    listen();
    let sent = 0;
    for (let round = 0; round < 40; round++) {
      for (let worker = 0; worker < 3; worker++) {
        const workerId = `w${worker}`;
        for (let beat = 0; beat < 5; beat++) {
          const taskId = 'x'.repeat(round % 7 === worker ? 3000 : 1);
          const metrics = { [`m${round % 5}`]: beat };
          manager.processHeartbeat({ workerId, cpuUsage: ++sent, runningTasks: [{ taskId }], metrics });
        }
      }
      if (round % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 5));
      if (round % 3 === 0) manager.unregisterWorker(`w${round % 3}`);
      if (round % 5 === 0) take();
    }
    for (let worker = 0; worker < 3; worker++) manager.unregisterWorker(`w${worker}`);
    const applied = () => manager.internalState().totals.applied;
    const all = () => [...taken.values()].flat();
    await eventually(() => {
      take();
      const { accepted, forgotten, replacedBy } = manager.internalState().totals;
      const replaced = Object.values(replacedBy).reduce((sum, n) => sum + n, 0);
      return accepted === sent && applied() + forgotten + replaced === sent && all().length === applied();
    });
    expect(drain.lost).toBe(0);
    expect(drain.closedTooLate).toBe(0);
    for (const [name, values] of metrics)
      expect([name, values.length > 0 && values.every((value) => value < 5)]).toEqual([name, true]);
    expect([...metrics.keys()].sort()).toEqual([0, 1, 2, 3, 4].map((n) => `metrics.m${n}`));
    // In order, and none twice.
    for (const values of taken.values()) {
      expect(values).toEqual([...new Set(values)].sort((a, b) => a - b));
    }
  },
);

test('the last samples of a worker can be read once its lane has left it, and only then is that told', async () => {
  const { manager, announced, listen, taken, take } = await drained({ maxDedicatedLanes: 0 });
  listen();
  for (let beat = 1; beat <= 3; beat++) manager.processHeartbeat({ workerId: 'a', cpuUsage: beat });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 3);
  manager.unregisterWorker('a');
  // Nothing of one that is leaving: its lane may still add to it.
  take();
  expect(taken.size).toBe(0);
  await eventually(() => announced.some(({ type }) => type === 'slotClosed'));
  expect(announced.map(({ type }) => type).filter((type) => type.startsWith('slot'))).toEqual([
    'slotAdded',
    'slotGone',
    'slotClosed',
  ]);
  take();
  expect(taken.get('a')).toEqual([1, 2, 3]);
  take();
  expect(taken.get('a')).toEqual([1, 2, 3]);
});

test('a thread that starts anew gets the last samples of workers that left a moment ago, and of no others', async () => {
  const clock = new FakeClock();
  const { manager, announced, listen } = await drained({ clock });
  listen();
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 7 });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 7);
  manager.unregisterWorker('a');
  await eventually(() => announced.some(({ type }) => type === 'slotClosed'));
  const samplesOfNext = () => {
    const next = new SampleDrain(new BoardReader(manager.boardMemory));
    for (const announcement of manager.announcements()) next.apply(announcement);
    next.resume(new Map());
    const values: number[] = [];
    next.drain((_, { cpuUsage, count }) => values.push(...cpuUsage.subarray(0, count)));
    return values;
  };
  expect(samplesOfNext()).toEqual([7]);
  clock.advance(5000);
  expect(samplesOfNext()).toEqual([]);
});

test('a sample tells what main knew of its worker, and what the heartbeat says', async () => {
  const { manager, drain, listen } = await drained();
  listen();
  const beats = [{}, { gpuUsage: 1.5 }, { gpus: [{ index: 0, powerWatts: 70 }], metrics: { 'gpus.0.power_watts': 3 } }];
  for (const [n, beat] of [...beats, { leaving: true }].entries()) {
    manager.processHeartbeat({ workerId: 'a', cpuUsage: n + 1, ...beat });
    await hasStored(manager, 'a', n + 1);
  }
  const seen: number[][] = [];
  const keys: string[] = [];
  drain.drain((_, columns) => {
    seen.push(Array.from(columns.flags.subarray(0, columns.count)));
    keys.push(...columns.metricKeys);
    expect(columns.metrics.map((values) => values[2])).toEqual([3, 70]);
  });
  const { returned, hasGpu, leaving } = SampleFlag;
  expect(seen).toEqual([[returned, hasGpu, hasGpu, leaving]]);
  expect(keys).toEqual(['metrics.gpus.0.power_watts', 'gpus.0.power_watts']);
});

test('whoever comes later begins with what is kept', async () => {
  const { manager, drain, listen, taken, take } = await drained();
  for (let beat = 1; beat <= 100; beat++) {
    manager.processHeartbeat({ workerId: 'a', cpuUsage: beat % 100 });
    if (beat % 10 === 0) await hasStored(manager, 'a', beat % 100);
  }
  listen();
  take();
  expect(taken.get('a')?.length).toBeGreaterThan(50);
  expect(taken.get('a')?.at(-1)).toBe(0);
  expect(drain.lost).toBe(0);
});

/** Whose ring holds three samples that can be read, and whose announcements wait until they are heard. */
function lateDrain() {
  const fleet = new Fleet(new FakeClock());
  fleet.register('before');
  for (let beat = 0; beat < 10; beat++) fleet.beat('before');
  const drain = new SampleDrain(new BoardReader(fleet.memory));
  const unheard: Announcement[] = [...fleet.roster()];
  fleet.onAnnounce = (items) => unheard.push(...items);
  const hear = () => {
    for (const announcement of unheard.splice(0)) drain.apply(announcement);
  };
  const counts = new Map<string, number>();
  const take = () => {
    drain.drain((workerId, { count }) => counts.set(workerId, (counts.get(workerId) ?? 0) + count));
    drain.commit();
  };
  return { fleet, drain, hear, take, counts };
}

test('of a worker that came after the drain and is heard of late, all samples are drained or counted as lost', () => {
  const { fleet, drain, hear, take, counts } = lateDrain();
  fleet.register('after');
  for (let beat = 0; beat < 10; beat++) fleet.beat('after');
  hear();
  take();
  expect([...counts]).toEqual([
    ['before', 3],
    ['after', 3],
  ]);
  expect(drain.lost).toBe(7);
  // Told twice, it is drained once.
  for (const announcement of fleet.roster()) drain.apply(announcement);
  fleet.beat('before');
  take();
  expect([...counts.values(), drain.lost]).toEqual([4, 3, 7]);
});

test('of a worker that came and went before it was heard of, too', () => {
  const { fleet, drain, hear, take, counts } = lateDrain();
  hear();
  fleet.register('after');
  for (let beat = 0; beat < 10; beat++) fleet.beat('after');
  const added = fleet.roster().find((item) => item.type === 'slotAdded' && item.workerId === 'after');
  if (added?.type !== 'slotAdded') throw new Error('it is not told of');
  fleet.forget('after');
  hear();
  drain.apply({ ...added, type: 'slotClosed', tenancy: 0 });
  expect(drain.takeSettled()).toEqual([]);
  take();
  expect([counts.get('after'), drain.lost]).toEqual([3, 7]);
  expect(drain.takeSettled()).toEqual([{ row: added.row, occupant: added.occupant }]);
});

test('what could not be taken is handed over again: that of workers who are there, and of those who are gone', () => {
  const { fleet, drain, hear, take, counts } = lateDrain();
  hear();
  take();
  const refuse = () =>
    drain.drain(() => {
      throw new Error('no room');
    });
  fleet.beat('before');
  expect(refuse).toThrow('no room');
  take();
  expect([...counts, drain.lost]).toEqual([['before', 4], 0]);
  for (const id of ['gone', 'gone too']) {
    fleet.register(id);
    for (let beat = 0; beat < 4; beat++) fleet.beat(id);
  }
  hear();
  const added = fleet
    .roster()
    .flatMap((item) => (item.type === 'slotAdded' && item.workerId !== 'before' ? [item] : []));
  for (const { workerId } of added) fleet.forget(workerId);
  hear();
  for (const item of added) drain.apply({ ...item, type: 'slotClosed', tenancy: 0 });
  expect(refuse).toThrow('no room');
  expect(drain.lost).toBe(0);
  take();
  take();
  expect([...counts, drain.lost]).toEqual([['before', 4], ['gone', 3], ['gone too', 3], 2]);
});

test.each([-1, Number.NaN, 86_400_001])('a span of %d ms is a wrong setting', (spanMs) => {
  expect(() => new TelemetryManager({ samples: { spanMs } })).toThrow(
    `samples.spanMs is ${spanMs}, expected 0 to 86400000`,
  );
});

test('without a reader of samples none are kept, and nobody is told of slots that are closed', async () => {
  const { manager, announced, drain, listen, taken, take } = await drained({ samples: undefined });
  listen();
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 1, metrics: { frames: 1 } });
  await hasStored(manager, 'a', 1);
  take();
  manager.unregisterWorker('a');
  await eventually(() => manager.internalState().lanes.every(({ workers }) => workers === 0));
  take();
  expect([...taken, drain.lost]).toEqual([['a', []], 1]);
  expect(announced.map(({ type }) => type)).not.toContain('slotClosed');
});

test('a worker that is removed and comes back goes on with higher numbers', async () => {
  const { manager, drain, listen } = await drained();
  listen();
  const numbers: number[] = [];
  const beat = async (times: number) => {
    const before = manager.internalState().totals.applied;
    for (let n = 0; n < times; n++) manager.processHeartbeat({ workerId: 'w', cpuUsage: n });
    await eventually(() => manager.internalState().totals.applied >= before + times);
  };
  const take = () =>
    drain.drain((_, { from, to }, numbersFrom) => {
      for (let number = from; number !== to; number++) numbers.push(numbersFrom + number);
    });
  for (let life = 0; life < 3; life++) {
    await beat(5);
    manager.unregisterWorker('w');
    await eventually(() => {
      take();
      return numbers.length === 5 * (life + 1);
    });
  }
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
});

/** What a drain hands over of tasks, by worker: in short, `begin`, `+task`, `-task`, `!task`, `gone`. */
function tasksOf(drain: SampleDrain): Map<string, string[]> {
  const signs = { listed: '+', left: '-', ended: '!', begin: 'begin', gone: 'gone' } as const;
  const taken = new Map<string, string[]>();
  drain.drain((workerId, _, __, ___, { changes }) => {
    const shorts = changes.map((change) => `${signs[change.type]}${'taskId' in change ? change.taskId : ''}`);
    taken.set(workerId, [...(taken.get(workerId) ?? []), ...shorts]);
  });
  return taken;
}

test('what happens to tasks comes with the samples, and is committed with them', async () => {
  const { manager, drain, listen } = await drained();
  listen();
  let cpuUsage = 0;
  const beat = async (workerId: string, tasks: string[], ended: string[] = []) => {
    cpuUsage++;
    const runningTasks = tasks.map((taskId) => ({ taskId, status: 'running' }));
    manager.processHeartbeat({ workerId, cpuUsage, runningTasks, endedTasks: ended.map((taskId) => ({ taskId })) });
    await hasStored(manager, workerId, cpuUsage);
  };
  await beat('a', ['x']);
  await beat('a', ['x', 'y']);
  const first = new Map([['a', ['begin', '+x', '+y']]]);
  expect(tasksOf(drain)).toEqual(first);
  drain.rollback();
  expect(tasksOf(drain)).toEqual(first);
  drain.commit();
  expect(tasksOf(drain)).toEqual(new Map());
  await beat('a', ['y'], ['short']);
  await beat('b', []);
  expect(tasksOf(drain)).toEqual(
    new Map([
      ['a', ['-x', '!short']],
      ['b', ['begin']],
    ]),
  );
  drain.commit();
  await beat('a', ['y', 'z']);
  manager.unregisterWorker('a');
  const last = new Map([['a', ['+z', 'gone']]]);
  await eventually(() => {
    drain.rollback();
    return tasksOf(drain).get('a')?.at(-1) === 'gone';
  });
  drain.rollback();
  expect(tasksOf(drain)).toEqual(last);
  drain.commit();
  expect(tasksOf(drain)).toEqual(new Map());
  // One that has nothing new when it is removed is gone, too.
  manager.unregisterWorker('b');
  await eventually(() => tasksOf(drain).get('b')?.at(-1) === 'gone');
  expect([drain.lostTaskChanges, drain.closedTooLate]).toEqual([0, 0]);
});

test('a drain that continues another one gets the changes since then; one that begins in the middle gets the whole list', async () => {
  // Its ring stays so short that it has lost the first samples soon.
  const { manager, drain, listen } = await drained({ samples: { spanMs: 1 } });
  listen();
  const beat = async (cpuUsage: number, tasks: string[]) => {
    manager.processHeartbeat({ workerId: 'a', cpuUsage, runningTasks: tasks.map((taskId) => ({ taskId })) });
    await hasStored(manager, 'a', cpuUsage);
  };
  await beat(1, ['x']);
  await beat(2, ['x', 'y']);
  tasksOf(drain);
  drain.commit();
  await beat(3, ['y', 'z']);
  const board = new BoardReader(manager.boardMemory);
  const next = new SampleDrain(board);
  for (const announcement of manager.announcements()) next.apply(announcement);
  next.resume(new Map([['a', { bootId: board.bootId, next: 2 }]]));
  expect(tasksOf(next)).toEqual(new Map([['a', ['-x', '+z']]]));
  for (let n = 4; n < 60; n++) await beat(n, ['y', 'z', `${n}`]);
  const late = new SampleDrain(board);
  for (const announcement of manager.announcements()) late.apply(announcement);
  expect(tasksOf(late).get('a')?.slice(-4)).toEqual(['begin', '+y', '+z', '+59']);
  expect(late.lostTaskChanges).toBe(0);
});

test('where changes of tasks are lost, they are counted, and the whole list follows', async () => {
  const { manager, drain, listen } = await drained();
  listen();
  const beat = async (cpuUsage: number, count: number) => {
    const runningTasks = Array.from({ length: count }, (_, n) => ({ taskId: `${cpuUsage}-${n}`.padEnd(500) }));
    manager.processHeartbeat({ workerId: 'a', cpuUsage, runningTasks });
    await hasStored(manager, 'a', cpuUsage);
  };
  await beat(1, 1);
  tasksOf(drain);
  drain.commit();
  // The log of a worker holds 1 MiB.
  await beat(2, 1500);
  await beat(3, 1500);
  await beat(4, 2);
  let lost = 0;
  const changes: string[] = [];
  drain.drain((_, __, ___, ____, tasks) => {
    lost += tasks.lost;
    changes.push(...tasks.changes.map(({ type }) => type));
  });
  drain.commit();
  // 1 and 1,500 of the first, all twice, and 2.
  expect(lost + changes.length - 3).toBe(1 + 1500 + 1500 + 1500 + 1500 + 2);
  expect(lost).toBeGreaterThan(1000);
  expect(changes.slice(-3)).toEqual(['begin', 'listed', 'listed']);
  expect(drain.lostTaskChanges).toBe(lost);
  await beat(5, 0);
  expect(tasksOf(drain).get('a')).toHaveLength(2);
});

/** A worker that is removed and comes back while there is no drain: what a new one is told. */
function secondLife() {
  const { fleet, hear } = lateDrain();
  const addedOf = () => {
    const added = fleet.roster().find((item) => item.type === 'slotAdded' && item.workerId === 'again');
    if (added?.type !== 'slotAdded') throw new Error('it is not told of');
    return added;
  };
  hear();
  fleet.register('again');
  const first = addedOf();
  for (let beat = 0; beat < 2; beat++) fleet.beat('again');
  fleet.forget('again');
  fleet.register('again');
  fleet.beat('again');
  const drain = new SampleDrain(new BoardReader(fleet.memory));
  const { workerId, row, occupant, numbersFrom } = first;
  const taken: (readonly [number, number, readonly string[]])[] = [];
  return {
    drain,
    taken,
    leaving: () => drain.apply({ type: 'slotLeaving', workerId, row, occupant, numbersFrom }),
    added: () => drain.apply(addedOf()),
    closed: () => drain.apply({ ...first, type: 'slotClosed', tenancy: 0 }),
    take() {
      drain.drain((id, { from, count }, numbers, _, { changes }) => {
        if (id === 'again') taken.push([from + numbers - numbersFrom, count, changes.map(({ type }) => type)]);
      });
      drain.commit();
    },
  };
}

test('a new drain is told of workers that are leaving: their later samples wait', () => {
  const { drain, taken, leaving, added, closed, take } = secondLife();
  leaving();
  added();
  take();
  expect(taken).toEqual([]);
  closed();
  take();
  expect(taken).toMatchObject([
    [0, 2, ['begin', 'gone']],
    [2, 1, ['begin']],
  ]);
  expect([drain.lost, drain.closedTooLate]).toEqual([0, 0]);
});

test('what comes of an earlier life after the later one is not handed over: it is counted', () => {
  const { drain, taken, added, closed, take } = secondLife();
  added();
  take();
  closed();
  take();
  expect(taken.map(([from]) => from)).toEqual([2]);
  expect([drain.closedTooLate, drain.takeSettled().length]).toEqual([1, 1]);
});

test('a drain that is not told what an earlier one has committed hands over what is left of closed workers', () => {
  const { drain, taken, closed, take } = secondLife();
  closed();
  take();
  expect(taken).toMatchObject([[0, 2, ['begin', 'gone']]]);
  expect(drain.closedTooLate).toBe(0);
});

test('the samples of a worker that came back wait until those from before are closed', () => {
  const { fleet, drain, hear, take, counts } = lateDrain();
  hear();
  fleet.register('again');
  const first = fleet.roster().find((item) => item.type === 'slotAdded' && item.workerId === 'again');
  if (first?.type !== 'slotAdded') throw new Error('it is not told of');
  drain.apply(first);
  fleet.beat('again');
  fleet.forget('again', { announced: false });
  drain.apply({ type: 'slotGone', workerId: 'again' });
  fleet.register('again');
  fleet.beat('again');
  hear();
  take();
  expect(counts.get('again')).toBeUndefined();
  drain.apply({ ...first, type: 'slotClosed', tenancy: 0 });
  take();
  expect(counts.get('again')).toBe(2);
});

test('changes of tasks that are lost while others are being committed count once, also if the worker leaves then', () => {
  const { fleet, drain, hear } = lateDrain();
  hear();
  fleet.register('busy');
  hear();
  const added = fleet.roster().find((item) => item.type === 'slotAdded' && item.workerId === 'busy');
  if (added?.type !== 'slotAdded') throw new Error('it is not told of');
  let changes = 0;
  const left = (count: number) => {
    const events = Array.from(
      { length: count },
      (_, n) => ({ type: 'left', taskId: `task-${n}`, lastSeenMs: 1 }) as const,
    );
    fleet.publish('busy', {}, events);
  };
  const take = () =>
    drain.drain((workerId, _, __, ___, tasks) => {
      if (workerId === 'busy') changes += tasks.changes.filter(({ type }) => type === 'left').length;
    });
  left(1);
  hear();
  take();
  drain.commit();
  left(20_000);
  hear();
  take();
  left(20_000);
  hear();
  const [now] = fleet.roster().filter((item) => item.type === 'slotAdded' && item.workerId === 'busy');
  fleet.forget('busy');
  hear();
  drain.apply({ ...(now as typeof added), type: 'slotClosed', tenancy: 0 });
  drain.commit();
  take();
  drain.commit();
  expect(drain.lostTaskChanges).toBeGreaterThan(1000);
  expect(changes + drain.lostTaskChanges).toBe(40_001);
});
