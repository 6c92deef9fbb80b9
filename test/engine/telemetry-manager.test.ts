import type { Worker } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import type { PulselaneError } from '../../src/lib/errors.ts';
import { SupervisedThread } from '../../src/lib/supervised-thread.ts';
import { LANE_STATES } from '../../src/model/lanes.ts';
import type { WorkerTelemetry } from '../../src/model/telemetry.ts';
import { BoardReader } from '../../src/store/board.ts';
import { attentiveMs, noneOf } from '../../src/store/master-figures.ts';
import type { SlotReader } from '../../src/store/slot-reader.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SettableClock } from '../support/fake-fleet.ts';

const PROCESSOR = new URL('../support/processors/faulty.mjs', import.meta.url);

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions = {}): Promise<TelemetryManager> {
  const manager = new TelemetryManager({ maxWorkers: 100, ...options });
  running.push(manager);
  await manager.start();
  return manager;
}

function totals(manager: TelemetryManager) {
  const sum = { accepted: 0, applied: 0, rejected: 0, replaced: 0, lost: 0 };
  for (const entry of manager.directory.all()) {
    const { accepted, replaced, lost } = manager.directory.board.view(entry.row, 0);
    const { applied, rejected } = entry.slot.counts();
    sum.accepted += accepted;
    sum.replaced += replaced;
    sum.lost += lost;
    sum.applied += applied;
    sum.rejected += rejected;
  }
  return sum;
}

const sumOf = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((sum, n) => sum + n, 0);

const codeOf = (act: () => void): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as PulselaneError).code;
  }
};

test('a heartbeat becomes the worker’s telemetry', async () => {
  const manager = await startManager();
  manager.processHeartbeat({
    workerId: 'node-a',
    cpuUsage: 12.5,
    memoryUsage: 40,
    runningTasks: [{ taskId: 't1', cpuAllocated: 2, status: 'running', progress: 0.5, startedAtUnixMs: 1000 }],
    metrics: { __proto__: 1, frames: 24 } as Record<string, number>,
  });
  const telemetry = await eventually(() => {
    const found = manager.getWorkerTelemetry('node-a');
    return found?.cpuUsage === 12.5 && found;
  });
  expect(telemetry).toMatchObject({
    workerId: 'node-a',
    memoryUsage: 40,
    isActive: true,
    metrics: { frames: 24 },
    runningTasks: [{ taskId: 't1', cpuAllocated: 2, memoryAllocated: 0, status: 'running', progress: 0.5 }],
  });
  expect(telemetry.lastUpdate).toBeGreaterThan(1_700_000_000);
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['node-a']);
  expect(manager.getWorkerTelemetry('node-b')).toBeUndefined();
});

test('ids such as __proto__ are ids like any other', async () => {
  const manager = await startManager({ maxDedicatedLanes: 2 });
  const ids = ['__proto__', '../x', '🦊', 'x'.repeat(256), 'constructor'];
  for (const workerId of ids) manager.processHeartbeat({ workerId, cpuUsage: 1 });
  await eventually(() => totals(manager).applied === ids.length);
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(ids);
  for (const id of ids) expect(manager.getWorkerTelemetry(id)?.workerId).toBe(id);
});

test('a registered worker is shown with zeros and is not active', async () => {
  const manager = await startManager();
  manager.registerWorker('node-a');
  manager.registerWorker('node-a');
  expect(manager.getWorkerTelemetry('node-a')).toMatchObject({ cpuUsage: 0, runningTasks: [], isActive: false });
  expect(manager.unregisterWorker('node-a')).toBe(true);
  expect(manager.unregisterWorker('node-a')).toBe(false);
  expect(manager.getWorkerTelemetry('node-a')).toBeUndefined();
});

test('invalid input is refused with a code, before the start, while running and after the shutdown', async () => {
  const manager = new TelemetryManager({ maxWorkers: 1 });
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'a' }))).toBe('unavailable');
  running.push(manager);
  await manager.start();
  expect(codeOf(() => manager.processHeartbeat({ workerId: '' }))).toBe('invalid_argument');
  expect(codeOf(() => manager.processHeartbeat({ workerId: '..' }))).toBe('invalid_argument');
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'a', cpuUsage: 'much' as never }))).toBe('invalid_argument');
  expect(() => manager.processHeartbeat({ workerId: 'a', runningTasks: [{ cpuAllocated: '1' as never }] })).toThrow(
    'heartbeat of a: runningTasks[0].cpuAllocated is a string, expected a number',
  );
  expect(() =>
    manager.processHeartbeat({ workerId: 'a', endedTasks: [{ taskId: 'a', outcome: 'won' as never }] }),
  ).toThrow('heartbeat of a: endedTasks[0].outcome is "won", expected one of finished, failed, killed, vanished');
  expect(() => manager.processHeartbeat({ workerId: 'a', endedTasks: [{} as never] })).toThrow(
    'heartbeat of a: endedTasks[0].taskId is undefined, expected a text',
  );
  expect(codeOf(() => manager.registerWorker('a\n'))).toBe('invalid_argument');
  manager.processHeartbeat({ workerId: 'a' });
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'b' }))).toBe('resource_exhausted');
  await manager.shutdown();
  await manager.shutdown();
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'a' }))).toBe('unavailable');
});

test('under approved admission an unknown worker is pending until an operator approves it', async () => {
  const manager = await startManager({ admission: 'approved' });
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'a', cpuUsage: 1 }))).toBe('not_admitted');
  expect(manager.internalState().pending).toMatchObject([{ workerId: 'a', attempts: 1 }]);
  expect(manager.getAllWorkerTelemetry().size).toBe(0);
  expect(manager.approve('a')).toBe('waiting');
  expect(manager.internalState().pending).toEqual([]);
  expect(manager.getAllWorkerTelemetry().size).toBe(0);
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 1 });
  expect(manager.approve('a')).toBe('known');
  manager.unregisterWorker('a');
  expect(codeOf(() => manager.processHeartbeat({ workerId: 'a' }))).toBe('not_admitted');
});

test('a request for admission is an event once while it is pending, at most a hundred a minute', async () => {
  const clock = new FakeClock();
  const manager = await startManager({ admission: 'approved', clock, maxPending: 200 });
  const knock = (workerId: string) => codeOf(() => manager.processHeartbeat({ workerId }));
  const told = () => manager.events.all().flatMap(({ type, workerId }) => (type === 'pending' ? [workerId] : []));
  for (let round = 0; round < 3; round++) knock('a');
  expect(told()).toEqual(['a']);
  manager.approve('a');
  manager.unregisterWorker('a');
  knock('a');
  expect(told()).toEqual(['a', 'a']);
  for (let n = 0; n < 150; n++) knock(`stranger-${n}`);
  expect(told()).toHaveLength(100);
  clock.advance(60_000);
  knock('b');
  expect(told().at(-1)).toBe('b');
});

test('a worker that is approved before it reports is not shown until it reports', async () => {
  const manager = await startManager({ admission: 'approved', maxWorkers: 1 });
  expect(codeOf(() => manager.approve('a\n'))).toBe('invalid_argument');
  expect(manager.approve('a')).toBe('awaited');
  expect(manager.approve('a')).toBe('awaited');
  expect(manager.getAllWorkerTelemetry().size).toBe(0);
  // There is an end to those that never come, and none are taken that there is no room for.
  expect(manager.approve('b')).toBe('awaited');
  expect(codeOf(() => manager.approve('c'))).toBe('resource_exhausted');
  manager.unregisterWorker('b');
  manager.processHeartbeat({ workerId: 'a' });
  expect(codeOf(() => manager.approve('c'))).toBe('resource_exhausted');
});

test('under open admission an approval is kept, within the same limit', async () => {
  const manager = await startManager({ maxWorkers: 1 });
  expect([manager.approve('a'), manager.approve('a')]).toEqual(['awaited', 'awaited']);
  expect(manager.getAllWorkerTelemetry().size).toBe(0);
  expect(manager.approve('b')).toBe('awaited');
  expect(codeOf(() => manager.approve('c'))).toBe('resource_exhausted');
  manager.unregisterWorker('b');
  manager.processHeartbeat({ workerId: 'a' });
  expect(manager.approve('a')).toBe('known');
});

test('the pending list is published at most once a second', async () => {
  const clock = new FakeClock();
  const manager = await startManager({ admission: 'approved', clock });
  const told: string[][] = [];
  manager.onAnnouncement((announcement) => {
    if (announcement.type === 'pending') told.push(announcement.pending.map(({ workerId }) => workerId));
  });
  const knock = (workerId: string) => codeOf(() => manager.processHeartbeat({ workerId }));
  clock.advance(1000);
  expect(told).toEqual([]);
  knock('a');
  clock.advance(250);
  knock('b');
  clock.advance(750);
  expect(told).toEqual([['a']]);
  clock.advance(250);
  expect(told).toEqual([['a'], ['a', 'b']]);
  expect(manager.announcements()).toContainEqual({
    type: 'pending',
    pending: [expect.objectContaining({ workerId: 'a' }), expect.objectContaining({ workerId: 'b' })],
  });
  manager.approve('a');
  clock.advance(5000);
  expect(told).toEqual([['a'], ['a', 'b'], ['b']]);
});

test('a silent worker becomes inactive and keeps its values, comes back, and is removed after its retention', async () => {
  const clock = new FakeClock(1_795_456_495_000);
  const manager = await startManager({ clock, inactivityTimeoutMs: 30_000, retentionMs: 3_600_000 });
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 7 });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 7);
  const { lastUpdate } = manager.getWorkerTelemetry('a') as WorkerTelemetry;
  clock.advance(30_000);
  expect(manager.getWorkerTelemetry('a')?.isActive).toBe(true);
  clock.advance(500);
  expect(manager.getWorkerTelemetry('a')).toMatchObject({ isActive: false, cpuUsage: 7, lastUpdate });
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 8 });
  expect(manager.getWorkerTelemetry('a')).toMatchObject({ isActive: true, lastUpdate: lastUpdate + 30 });
  clock.advance(3_601_000);
  expect(manager.getWorkerTelemetry('a')).toBeUndefined();
  expect(manager.internalState().lanes).toEqual([]);
});

test('last_update moves with an accepted heartbeat even if its content is rejected', async () => {
  const clock = new FakeClock(1_795_456_495_000);
  const manager = await startManager({ clock });
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 7 });
  await eventually(() => totals(manager).applied === 1);
  const { lastUpdate } = manager.getWorkerTelemetry('a') as WorkerTelemetry;
  clock.advance(10_000);
  manager.processHeartbeat({ workerId: 'a', cpuUsage: Number.NaN });
  await eventually(() => totals(manager).rejected === 1);
  expect(manager.getWorkerTelemetry('a')).toMatchObject({ cpuUsage: 7, lastUpdate: lastUpdate + 10 });
});

test('workers beyond the cap on dedicated lanes share', async () => {
  const manager = await startManager({ maxDedicatedLanes: 2, sharedLanes: 2 });
  for (let i = 0; i < 6; i++) manager.processHeartbeat({ workerId: `w${i}`, cpuUsage: i });
  await eventually(() => totals(manager).applied === 6);
  // They may have shared until their own lanes were up, and so the others may lie unevenly.
  const lanes = await eventually(() => {
    const { lanes: all } = manager.internalState();
    const own = all.filter(({ kind, workers }) => kind === 'dedicated' && workers === 1);
    return own.length === 2 && all.every(({ state }) => state === 'ready') && all;
  });
  const shared = lanes.filter(({ kind }) => kind === 'shared').map(({ workers }) => workers);
  expect(lanes).toHaveLength(4);
  expect(shared.reduce((sum, workers) => sum + workers, 0)).toBe(4);
  expect(Math.min(...shared)).toBeGreaterThan(0);
});

test('heartbeats that arrive before the lane is ready are applied when it is', async () => {
  const manager = await startManager({ laneDepth: 4 });
  for (let i = 1; i <= 10; i++) manager.processHeartbeat({ workerId: 'a', cpuUsage: i });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 10);
  // Four were on their way, one waited, and five had their place taken.
  await eventually(() => totals(manager).applied === 5);
  expect(totals(manager)).toEqual({ accepted: 10, applied: 5, rejected: 0, replaced: 5, lost: 0 });
});

test('with lanes killed under load, every accepted heartbeat is applied, replaced, or was in process', async () => {
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  process.on('worker', note);
  try {
    const manager = await startManager({ maxDedicatedLanes: 3, sharedLanes: 1, laneDepth: 8 });
    const workers = Array.from({ length: 8 }, (_, i) => `w${i}`);
    let sent = 0;
    for (let kill = 0; kill < 12; kill++) {
      for (let round = 0; round < 40; round++) {
        for (const workerId of workers) manager.processHeartbeat({ workerId, cpuUsage: ++sent });
        await new Promise((resolve) => setImmediate(resolve));
      }
      // In turn, each time with all of them back, so that none fails often enough to end in quarantine.
      await threads.shift()?.terminate();
      await eventually(() => manager.internalState().lanes.every(({ state }) => state === 'ready'));
    }
    for (const workerId of workers) manager.processHeartbeat({ workerId, cpuUsage: ++sent });
    await eventually(() => {
      const { accepted, applied, replaced, lost } = totals(manager);
      return accepted === applied + replaced + lost;
    });
    const { accepted, rejected, lost, applied, replaced } = totals(manager);
    expect({ accepted, rejected }).toEqual({ accepted: sent, rejected: 0 });
    await eventually(() => {
      const told = manager.directory.board.figures().totals;
      return told.applied === applied && sumOf(told.replacedBy) === replaced && sumOf(told.lostBy) === lost;
    });
    expect(lost).toBeLessThanOrEqual(12);
    expect(applied).toBeGreaterThan(0);
    // The newest of each worker is the one that is shown.
    for (const [index, workerId] of workers.entries()) {
      expect(manager.getWorkerTelemetry(workerId)?.cpuUsage).toBe(sent - workers.length + 1 + index);
    }
  } finally {
    process.off('worker', note);
  }
});

test('the update callback gets the newest record of each worker in order, and what it missed is counted', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, laneDepth: 64 });
  const seen: Record<string, number[]> = { a: [], b: [] };
  manager.setUpdateCallback(({ workerId, cpuUsage }) => {
    seen[workerId]?.push(cpuUsage);
    if (cpuUsage === 3) throw new Error('not mine');
  });
  for (let i = 1; i <= 50; i++) {
    manager.processHeartbeat({ workerId: 'a', cpuUsage: i });
    manager.processHeartbeat({ workerId: 'b', cpuUsage: i });
    if (i < 6) await eventually(() => seen.a?.at(-1) === i && seen.b?.at(-1) === i);
  }
  await eventually(() => seen.a?.at(-1) === 50 && seen.b?.at(-1) === 50);
  for (const values of Object.values(seen)) expect(values).toEqual([...values].sort((x, y) => x - y));
  const { mergedUpdates, callbackErrors } = manager.internalState();
  expect((seen.a?.length ?? 0) + (seen.b?.length ?? 0) + mergedUpdates).toBe(100);
  expect(callbackErrors).toBe(2);
});

test('shutdown lets lanes finish what they were given', async () => {
  const manager = await startManager({ laneDepth: 100 });
  const last: number[] = [];
  manager.setUpdateCallback(({ cpuUsage }) => last.push(cpuUsage));
  for (let i = 1; i <= 50; i++) manager.processHeartbeat({ workerId: 'a', cpuUsage: i });
  await manager.shutdown();
  expect(last.at(-1)).toBe(50);
});

test('workers are served by shared lanes until their own are ready, and move without losing a heartbeat', async () => {
  const manager = await startManager({ maxDedicatedLanes: 30, sharedLanes: 2, laneDepth: 4 });
  const workers = Array.from({ length: 40 }, (_, i) => `w${i}`);
  const isSettled = () => {
    const { lanes } = manager.internalState();
    return lanes.filter(({ kind, workers: served }) => kind === 'dedicated' && served === 1).length === 30;
  };
  let sent = 0;
  let servedByShared = 0;
  while (!isSettled()) {
    for (const workerId of workers) {
      // Some grow their slot on the way.
      const taskId = 't'.repeat(sent % 97 === 0 ? 5000 : 1);
      manager.processHeartbeat({ workerId, cpuUsage: ++sent, runningTasks: [{ taskId }] });
    }
    const { lanes } = manager.internalState();
    servedByShared = Math.max(
      servedByShared,
      ...lanes.filter(({ kind }) => kind === 'shared').map((lane) => lane.workers),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await eventually(() => {
    const { accepted, applied, replaced } = totals(manager);
    return accepted === applied + replaced;
  });
  expect(servedByShared).toBeGreaterThan(5);
  expect(totals(manager)).toMatchObject({ accepted: sent, rejected: 0, lost: 0 });
  for (const [index, workerId] of workers.entries()) {
    expect(manager.getWorkerTelemetry(workerId)?.cpuUsage).toBe(sent - workers.length + 1 + index);
  }

  // A place that frees is taken by a worker that shares.
  manager.unregisterWorker('w0');
  await eventually(isSettled);
  const shared = manager.internalState().lanes.filter(({ kind }) => kind === 'shared');
  expect(shared.reduce((sum, lane) => sum + lane.workers, 0)).toBe(9);
});

test('workers that come and go while lanes start leave nothing behind, and a row’s next worker gets its own data', async () => {
  const manager = await startManager({ maxWorkers: 5, maxDedicatedLanes: 4, sharedLanes: 1 });
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 5; i++) {
      const big = 'x'.repeat(round % 3 === i ? 4000 : 1);
      manager.processHeartbeat({ workerId: `r${round}-${i}`, cpuUsage: round, runningTasks: [{ taskId: big }] });
    }
    if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round));
    if (round === 29) break;
    for (let i = 0; i < 5; i++) expect(manager.unregisterWorker(`r${round}-${i}`)).toBe(true);
  }
  await eventually(() => totals(manager).applied === 5);
  // Of all that ever came: what its lane was not done with when its worker was forgotten is told as that.
  await eventually(() => {
    const { accepted, applied, rejectedBy, replacedBy, lostBy, forgotten } = manager.directory.board.figures().totals;
    expect(accepted).toBeLessThanOrEqual(150);
    return accepted === 150 && applied + forgotten + sumOf(rejectedBy) + sumOf(replacedBy) + sumOf(lostBy) === 150;
  });
  for (const [id, telemetry] of manager.getAllWorkerTelemetry()) {
    expect(telemetry).toMatchObject({ workerId: id, cpuUsage: 29 });
  }
  await eventually(() => manager.internalState().lanes.filter(({ kind }) => kind === 'dedicated').length === 4);
});

test('a worker whose slot grows and shrinks while it is forgotten costs its lane nothing', async () => {
  const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1 });
  const send = (workerId: string, cpuUsage: number, taskId = '') =>
    manager.processHeartbeat({ workerId, cpuUsage, runningTasks: [{ taskId }] });
  const shows = (cpuUsage: number) => eventually(() => manager.getWorkerTelemetry('other')?.cpuUsage === cpuUsage);
  for (let round = 1; round < 9; round += 3) {
    send('other', round);
    send('comes and goes', round);
    await eventually(() => totals(manager).applied === round + 1);
    send('comes and goes', 2, 'x'.repeat(5000));
    for (let beat = 0; beat < 12; beat++) send('comes and goes', 3);
    send('other', round + 1);
    manager.unregisterWorker('comes and goes');
    await shows(round + 1);
    // What the lane has said before that is heard by now.
    send('other', round + 2);
    await shows(round + 2);
  }
  expect(manager.internalState().lanes).toMatchObject([{ restarts: 0, workers: 1 }]);
  expect(totals(manager)).toMatchObject({ accepted: 9, applied: 9, lost: 0 });
});

test.each(['shared', 'dedicated'])('memory of a forgotten worker is a next one’s, also of a %s lane', async (kind) => {
  const manager = await startManager({ maxDedicatedLanes: kind === 'dedicated' ? 1 : 0, sharedLanes: 1 });
  manager.processHeartbeat({ workerId: 'first' });
  const { row, slot } = manager.directory.get('first') ?? expect.unreachable();
  await eventually(() => {
    const { lane } = manager.directory.board.view(row, 0);
    return lane.kind === kind && lane.state === 'ready' && totals(manager).applied === 1;
  });
  manager.unregisterWorker('first');
  let next = 0;
  await eventually(() => {
    const workerId = `next-${++next}`;
    manager.processHeartbeat({ workerId });
    const isSame = manager.directory.get(workerId)?.slot.memory === slot.memory;
    manager.unregisterWorker(workerId);
    return isSame;
  });
});

test('two million empty tasks are refused on arrival; the accepted maximum fits into a lane', async () => {
  // It takes half a second of a core; a machine that is busy with other things must not make it look stuck.
  const manager = await startManager({ laneStallMs: 30_000 });
  const id = Buffer.from([0x0a, 1, 0x61]);
  const emptyTasks = Buffer.concat([id, Buffer.alloc(4 * 1024 ** 2 - 16, Buffer.from([0x2a, 0]))]);
  expect(() => manager.acceptHeartbeat(emptyTasks)).toThrow('more than 50000 tasks, metrics and devices');
  // As many tasks as are taken, in a message of 4 MiB.
  const task = Buffer.concat([Buffer.from([0x2a, 80, 0x0a, 78]), Buffer.alloc(78, 'x')]);
  manager.acceptHeartbeat(Buffer.concat([id, Buffer.alloc(50_000 * task.length, task)]));
  await eventually(() => totals(manager).applied === 1);
  expect(manager.getWorkerTelemetry('a')?.runningTasks).toHaveLength(50_000);
  expect(manager.internalState().lanes.map(({ restarts }) => restarts)).toEqual([0]);
});

test('totals do not decrease when workers are removed, whatever their lanes were doing', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, sharedLanes: 1, laneDepth: 4 });
  let accepted = 0;
  let before = manager.directory.board.figures().totals;
  const look = () => {
    const now = manager.directory.board.figures().totals;
    for (const name of ['accepted', 'applied', 'forgotten'] as const) {
      expect(now[name]).toBeGreaterThanOrEqual(before[name]);
    }
    before = now;
    return now;
  };
  for (let round = 0; round < 40; round++) {
    for (const workerId of ['a', 'b', 'c']) {
      for (let beat = 0; beat <= round % 12; beat++) {
        // Every fifth is rejected.
        manager.processHeartbeat({ workerId, cpuUsage: beat % 5 === 4 ? Number.NaN : 1 });
        accepted++;
      }
    }
    if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (round % 3 === 1) await new Promise((resolve) => setTimeout(resolve, round));
    look();
    manager.unregisterWorker(['a', 'b', 'c'][round % 3] as string);
  }
  for (const workerId of ['a', 'b', 'c']) manager.unregisterWorker(workerId);
  await eventually(() => {
    const { applied, rejectedBy, replacedBy, lostBy, forgotten } = look();
    return (
      before.accepted === accepted &&
      applied + sumOf(rejectedBy) + sumOf(replacedBy) + sumOf(lostBy) + forgotten === accepted
    );
  });
  expect(before.rejectedBy.content).toBeGreaterThan(0);
});

test('readers in other threads see main’s figures: boot id, attentive time, grace, lanes, delay', async () => {
  const clock = new SettableClock();
  const manager = await startManager({ clock, maxDedicatedLanes: 1, sharedLanes: 1 });
  const board = new BoardReader(manager.boardMemory);
  expect(board.bootId).toMatch(/^[0-9a-f]{32}$/);
  expect(board.bootId).toBe(manager.internalState().bootId);
  expect(new TelemetryManager().internalState().bootId).not.toBe(board.bootId);
  expect(board.figures().writtenMonotonicMs).toBe(0);
  manager.front = () => ({ connections: 7, streams: 5 });
  manager.processHeartbeat({ workerId: 'a' });
  const member = { workerId: 'b', approvedUnixMs: undefined, known: true, address: undefined, instanceIds: [] };
  manager.restore([{ ...member, info: undefined, activity: undefined } as never], new Map());
  clock.advance(2000);
  await eventually(() => manager.internalState().lanes.every(({ state }) => state === 'ready'));
  clock.advance(250);
  const calm = board.figures();
  expect(calm.writtenMonotonicMs).toBe(clock.monotonicMs());
  expect(calm.attentive.mayJudge).toBe(true);
  expect(calm.gauges).toMatchObject({ connections: 7, streams: 5, loopDelayMs: { mean: 0, max: 0 } });
  expect(calm.gauges.lanes.dedicated).toEqual({ ...noneOf(LANE_STATES), ready: 1 });
  expect(calm.gauges.lanes.shared).toEqual({ ...noneOf(LANE_STATES), ready: 1 });
  expect(calm.holds).toEqual({
    graceEndsUnixMs: manager.holds.graceEndsUnixMs,
    brakes: 0,
    silent: 0,
  });
  expect(calm.holds.graceEndsUnixMs).toBeGreaterThan(clock.wallMs());
  const attentiveBefore = attentiveMs(calm, clock.monotonicMs());
  expect(attentiveBefore).toBe(clock.monotonicMs() - calm.attentive.offsetMs);

  // Main stands still for a minute: attentive time does too, for readers at once, and main says so afterwards.
  clock.stall(60_000);
  expect(attentiveMs(calm, clock.monotonicMs())).toBe(attentiveBefore + 500);
  clock.advance(250);
  const stalled = board.figures();
  expect(stalled.attentive.mayJudge).toBe(false);
  expect(stalled.attentive.offsetMs - calm.attentive.offsetMs).toBeGreaterThanOrEqual(59_000);
  expect(stalled.gauges.loopDelayMs.max).toBeGreaterThanOrEqual(59_000);
});

test('after unexpected deaths of threads, every heartbeat is counted, and none is charged twice', async () => {
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  process.on('worker', note);
  try {
    const manager = await startManager({ maxDedicatedLanes: 0, sharedLanes: 1 });
    // Takes a while to decode, so that it is in hand when the thread is ended.
    const slow = Array.from({ length: 40_000 }, (_, i) => ({ taskId: `task-${i}` }));
    manager.processHeartbeat({ workerId: 'slow' });
    manager.processHeartbeat({ workerId: 'neighbour', cpuUsage: 1 });
    await eventually(() => totals(manager).applied === 2);
    const slot = () => manager.directory.get('slow')?.slot as SlotReader;
    let sent = 1;
    while (totals(manager).lost === 0) {
      const deaths = threads.length;
      manager.processHeartbeat({ workerId: 'slow', runningTasks: slow });
      manager.processHeartbeat({ workerId: 'neighbour', cpuUsage: ++sent });
      while (slot().taken === slot().finished) await new Promise((resolve) => setImmediate(resolve));
      await threads.at(-1)?.terminate();
      await eventually(() => threads.length > deaths && manager.getWorkerTelemetry('neighbour')?.cpuUsage === sent);
    }
    // Idle deaths: nothing is in hand.
    for (let death = 0; death < 2; death++) {
      const deaths = threads.length;
      await threads.at(-1)?.terminate();
      manager.processHeartbeat({ workerId: 'neighbour', cpuUsage: ++sent });
      await eventually(() => threads.length > deaths && manager.getWorkerTelemetry('neighbour')?.cpuUsage === sent);
    }
    // A record is seen just before it is counted.
    await eventually(() => {
      const { accepted, applied, replaced, lost } = totals(manager);
      return applied + replaced + lost === accepted;
    });
    expect(totals(manager).lost).toBe(1);
  } finally {
    process.off('worker', note);
  }
});

test('nothing is replaced while the lane has nothing to do', async () => {
  // Time stands still, so that nobody but the burst itself looks what the lane has done.
  const manager = await startManager({ clock: new FakeClock(), laneDepth: 4 });
  for (let round = 1; round <= 5; round++) {
    for (let i = 0; i < 4; i++) manager.processHeartbeat({ workerId: 'a', cpuUsage: round });
    await eventually(() => totals(manager).applied === 4 * round);
  }
  expect(totals(manager)).toMatchObject({ accepted: 20, replaced: 0 });
});

test('a worker that is unregistered within the update callback leaves nothing behind', async () => {
  const clock = new FakeClock();
  const manager = await startManager({ clock, laneDepth: 1 });
  const timers = clock.pending;
  const seen: string[] = [];
  manager.setUpdateCallback(({ workerId }) => {
    seen.push(workerId);
    manager.unregisterWorker(workerId);
  });
  // One under way and one that waits: the look that hands over the first expects another.
  manager.processHeartbeat({ workerId: 'a' });
  manager.processHeartbeat({ workerId: 'a' });
  await eventually(() => totals(manager).applied === 1);
  await eventually(() => {
    clock.advance(10);
    return seen.length > 0;
  });
  clock.advance(20);
  await eventually(() => clock.pending === timers);
});

test('after a shutdown no thread is started, and a second shutdown waits for the first', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1, sharedLanes: 1 });
  for (const workerId of ['own', 'shares']) manager.processHeartbeat({ workerId });
  await eventually(() => totals(manager).applied === 2);
  const threads: Worker[] = [];
  const note = (thread: Worker) => threads.push(thread);
  const first = manager.shutdown();
  expect(manager.shutdown()).toBe(first);
  await first;
  process.on('worker', note);
  manager.unregisterWorker('own');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('worker', note);
  expect(threads).toEqual([]);
});

test('lanes that die together are restarted a few at a time', async () => {
  const threads: Worker[] = [];
  const starts = vi.spyOn(SupervisedThread.prototype, 'start');
  let most = 0;
  let counting = false;
  const note = (thread: Worker) => {
    threads.push(thread);
    if (!counting) return;
    const starting = new Set(
      (starts.mock.contexts as SupervisedThread<unknown, unknown>[]).filter(({ state }) => state === 'starting'),
    );
    most = Math.max(most, starting.size);
  };
  process.on('worker', note);
  try {
    const manager = await startManager({ maxDedicatedLanes: 12 });
    for (let i = 0; i < 12; i++) manager.processHeartbeat({ workerId: `w${i}` });
    const areReady = () => {
      const { lanes } = manager.internalState();
      const own = lanes.filter(({ kind }) => kind === 'dedicated');
      return own.length === 12 && own.every(({ state, workers }) => state === 'ready' && workers === 1);
    };
    await eventually(areReady);
    counting = true;
    await Promise.all(threads.splice(0).map((thread) => thread.terminate()));
    await eventually(() => threads.length >= 12 && areReady());
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
  } finally {
    process.off('worker', note);
    starts.mockRestore();
  }
});

test('an approval survives the retention', async () => {
  const clock = new FakeClock();
  const manager = await startManager({ clock, admission: 'approved', retentionMs: 3_600_000 });
  manager.approve('a');
  manager.processHeartbeat({ workerId: 'a' });
  await eventually(() => totals(manager).applied === 1);
  clock.advance(3_601_000);
  expect(manager.getWorkerTelemetry('a')).toBeUndefined();
  manager.processHeartbeat({ workerId: 'a' });
  await eventually(() => manager.getWorkerTelemetry('a')?.isActive === true);
  expect(totals(manager).applied).toBe(1);
});

test('more stored addresses than MAX_WORKERS do not prevent a start', async () => {
  const manager = await startManager({ maxWorkers: 1 });
  const member = { approved: false, address: '127.0.0.1:1', known: false, instanceIds: [], info: undefined };
  manager.restore(
    ['a', 'b'].map((workerId) => ({ workerId, ...member })),
    new Map(),
  );
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['a']);
});

test('a second start, or one after a shutdown, is an error and starts nothing', async () => {
  const manager = await startManager();
  await expect(manager.start()).rejects.toMatchObject({ code: 'unavailable' });
  const never = new TelemetryManager({ maxWorkers: 1 });
  await never.shutdown();
  await expect(never.start()).rejects.toMatchObject({ code: 'unavailable' });
});

test('a shutdown while the processor is loaded is reported as such, not as a wrong processor', async () => {
  const manager = new TelemetryManager({ maxWorkers: 1, processor: PROCESSOR });
  const starting = manager.start();
  await Promise.all([expect(starting).rejects.toMatchObject({ code: 'unavailable' }), manager.shutdown()]);
});

test('a reader never finds a worker active without values, even if its slot grows', async () => {
  const manager = await startManager({ maxDedicatedLanes: 4 });
  const metrics = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`metric-${index}`, index]));
  const told: boolean[] = [];
  manager.setUpdateCallback(({ isActive, cpuUsage }) => told.push(isActive && cpuUsage === 12.5));
  const isFalse = ({ isActive, cpuUsage }: { isActive: boolean; cpuUsage: number }) => isActive && cpuUsage === 0;
  const all = () => [...manager.getAllWorkerTelemetry().values()];
  for (let i = 0; i < 100; i++) {
    manager.processHeartbeat({ workerId: `w${i}`, cpuUsage: 12.5, ...(i % 2 === 0 ? { metrics } : {}) });
    expect(manager.getWorkerTelemetry(`w${i}`)?.isActive).toBe(false);
    await new Promise(setImmediate);
    expect(all().filter(isFalse)).toEqual([]);
  }
  await eventually(() => {
    expect(all().filter(isFalse)).toEqual([]);
    return manager.internalState().activeWorkers === 100;
  });
  await eventually(() => told.length >= 100);
  expect(told).not.toContain(false);
});
