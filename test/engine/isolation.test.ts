/** Who has a lane of its own where there are not enough for all: through real threads. */
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { FIRST_WORKERS } from '../../src/engine/lanes/lane-plan.ts';
import { KEPT_FOR_MS } from '../../src/engine/lanes/lane-policy.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { ISOLATION_LABEL, type Isolation, WISH_LABELS } from '../../src/model/isolation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { keptLog } from '../support/kept-log.ts';

const FAULTY = fileURLToPath(new URL('../support/processors/faulty.mjs', import.meta.url));

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions = {}): Promise<TelemetryManager> {
  const manager = new TelemetryManager({ maxWorkers: 100, sharedLanes: 1, ...options });
  running.push(manager);
  await manager.start();
  return manager;
}

function laneOf(manager: TelemetryManager, workerId: string) {
  const entry = manager.directory.get(workerId);
  if (entry === undefined) throw new Error(`${workerId} is not known`);
  return manager.directory.board.lane(entry.row);
}

/** Those that are on a lane of their own which is up. */
function ownersIn(manager: TelemetryManager, workerIds: readonly string[]): string[] {
  return workerIds.filter((id) => {
    const { kind, state } = laneOf(manager, id);
    return kind === 'dedicated' && state === 'ready';
  });
}

const ownLanes = (manager: TelemetryManager) =>
  manager.internalState().lanes.filter(({ kind }) => kind === 'dedicated').length;

/** Each has sent a heartbeat and is where it stays, in this order. */
async function settled(manager: TelemetryManager, workerIds: readonly string[], owners: number): Promise<void> {
  for (const [index, workerId] of workerIds.entries()) {
    manager.processHeartbeat({ workerId, cpuUsage: 1 });
    await eventually(() => manager.getWorkerTelemetry(workerId)?.cpuUsage === 1);
    await eventually(() => ownersIn(manager, workerIds.slice(0, index + 1)).length === Math.min(index + 1, owners));
  }
}

/** Its heartbeats are applied wherever it is. */
async function sends(manager: TelemetryManager, workerId: string, cpuUsage: number): Promise<void> {
  manager.processHeartbeat({ workerId, cpuUsage });
  await eventually(() => manager.getWorkerTelemetry(workerId)?.cpuUsage === cpuUsage);
}

const wishing = (workerId: string, value = 'dedicated') =>
  create(WorkerInfoSchema, { workerId, labels: { [ISOLATION_LABEL]: value } });

test('by default each of the first 64 workers has a dedicated lane, and not more than the plan allows', async () => {
  const manager = await startManager();
  const { dedicated, budget } = manager.lanePlan;
  expect(dedicated).toBeGreaterThanOrEqual(Math.min(FIRST_WORKERS, budget.lanes));
  const ids = Array.from({ length: FIRST_WORKERS + 2 }, (_, index) => `w${index}`);
  for (const workerId of ids) manager.processHeartbeat({ workerId, cpuUsage: 1 });
  const owners = Math.min(ids.length, dedicated);
  await eventually(() => ownersIn(manager, ids).length === owners, 60_000);
  expect(ownersIn(manager, ids)).toEqual(ids.slice(0, owners));
  await eventually(() => ids.every((id) => manager.getWorkerTelemetry(id)?.cpuUsage === 1));
  expect(ownLanes(manager)).toBe(owners);
});

describe('at the bound', () => {
  test('a failed worker gets the lane of one that has not failed, and only its heartbeat is lost', async () => {
    const manager = await startManager({ maxDedicatedLanes: 2, processor: FAULTY });
    const ids = ['a', 'b', 'bad'];
    await settled(manager, ids, 2);
    expect(ownersIn(manager, ids)).toEqual(['a', 'b']);
    manager.processHeartbeat({ workerId: 'bad', runningTasks: [{ taskId: 'throw' }] });
    for (const id of ids) manager.processHeartbeat({ workerId: id, cpuUsage: 2 });
    // Of two that need theirs as little, the newer one gives way.
    await eventually(() => ownersIn(manager, ids).join() === 'a,bad');
    expect(ownLanes(manager)).toBe(2);
    expect(laneOf(manager, 'b').kind).toBe('shared');
    await eventually(() => ids.every((id) => manager.getWorkerTelemetry(id)?.cpuUsage === 2));
    for (const id of ['a', 'b']) {
      const entry = manager.directory.get(id);
      expect(entry?.slot.counts()).toMatchObject({ applied: 2 });
      expect(manager.directory.board.view(entry?.row ?? 0, 0)).toMatchObject({ lost: 0, replaced: 0 });
    }
    expect(manager.internalState().lanes.map(({ kind }) => kind)).not.toContain('penalty');
  });

  test('an operator’s decision applies at once, never beyond the maximum, and is an event', async () => {
    const manager = await startManager({ maxDedicatedLanes: 2 });
    const ids = ['a', 'b', 'c', 'd'];
    await settled(manager, ids, 2);
    expect(manager.isolate('c', 'dedicated')).toBe('awaited');
    await eventually(() => ownersIn(manager, ids).join() === 'a,c' && ownLanes(manager) === 2);
    expect(manager.isolate('a', 'dedicated')).toBe('dedicated');
    expect(manager.isolate('d', 'dedicated')).toBe('full');
    for (const id of ids) await sends(manager, id, 2);
    expect(ownersIn(manager, ids)).toEqual(['a', 'c']);
    // The next free one is for d, and not for b, which has waited for longer.
    expect(manager.isolate('a', 'shared')).toBe('leaving');
    await eventually(() => ownersIn(manager, ids).join() === 'c,d' && ownLanes(manager) === 2);
    expect(manager.isolate('a', 'shared')).toBe('shared');
    manager.unregisterWorker('c');
    await eventually(() => ownersIn(manager, ['a', 'b', 'd']).join() === 'b,d');
    expect(manager.isolate('a', 'auto')).toBe('shared');
    for (const id of ['a', 'b', 'd']) await sends(manager, id, 3);
    const told = manager.events.all().filter(({ type }) => type === 'isolation');
    expect(told.map(({ workerId, detail }) => `${workerId} ${detail}`)).toEqual([
      'c dedicated',
      'a dedicated',
      'd dedicated',
      'a shared',
      'a auto',
    ]);
    expect(() => manager.isolate('nobody', 'shared')).toThrow('no worker is called nobody');
    // A program without types may say anything.
    expect(() => manager.isolate('a', 'Dedicated' as Isolation)).toThrow(
      new PulselaneError('invalid_argument', 'isolation "Dedicated": expected one of auto, dedicated, shared'),
    );
    expect(manager.members.get('a')?.isolation).toBeUndefined();
    expect(manager.directory.get('a')?.isolation).toBe('auto');
  });

  test('a requested lane is a free one, or one that another worker has had for a while', async () => {
    const clock = new FakeClock();
    const manager = await startManager({ clock, maxDedicatedLanes: 1 });
    const ids = ['a', 'b', 'c'];
    await settled(manager, ids, 1);
    manager.announceWorker(wishing('c'));
    manager.announceWorker(wishing('b', 'always'));
    for (let ms = 0; ms < KEPT_FOR_MS - 5000; ms += 250) clock.advance(250);
    expect(ownersIn(manager, ids)).toEqual(['a']);
    await eventually(() => {
      // A lane that is being started, or left, is not waited for by that clock.
      if (manager.internalState().lanes.every(({ state }) => state === 'ready')) clock.advance(250);
      return ownersIn(manager, ids).join() === 'c';
    });
    expect(ownLanes(manager)).toBe(1);
    manager.unregisterWorker('c');
    await eventually(() => ownersIn(manager, ['a', 'b']).length === 1);
    manager.announceWorker(create(WorkerInfoSchema, { workerId: 'd', labels: WISH_LABELS }));
    expect(laneOf(manager, 'd').kind).toBe('shared');
  });

  test('a worker with large heartbeats gets a lane before those with small ones', async () => {
    const clock = new FakeClock();
    // By that clock a heartbeat takes long.
    const manager = await startManager({ clock, maxDedicatedLanes: 1, laneStallMs: 3_600_000 });
    const ids = ['a', 'b', 'c'];
    await settled(manager, ids, 1);
    const runningTasks = Array.from({ length: 15_000 }, (_, index) => ({ taskId: `task-${index}`, status: 'running' }));
    for (let beat = 2; ownersIn(manager, ids).join() !== 'b'; beat++) {
      expect(beat).toBeLessThan(30);
      manager.processHeartbeat({ workerId: 'b', cpuUsage: beat, runningTasks });
      for (const workerId of ['a', 'c']) manager.processHeartbeat({ workerId, cpuUsage: beat });
      await eventually(() => ids.every((id) => manager.getWorkerTelemetry(id)?.cpuUsage === beat));
      for (let ms = 0; ms < 5000; ms += 250) clock.advance(250);
      // A lane that is being started, or left, is not waited for by that clock.
      await eventually(() => manager.internalState().lanes.every(({ state }) => state === 'ready'));
    }
    expect(ownLanes(manager)).toBe(1);
  });
});

test('an unknown value of the isolation label is logged once and ignored', async () => {
  const { logger, lines } = keptLog();
  const manager = await startManager({ maxDedicatedLanes: 0, logger });
  manager.announceWorker(wishing('a', 'always'));
  manager.announceWorker(wishing('a', 'always'));
  manager.announceWorker(wishing('b'));
  await eventually(() => lines.some(({ worker }) => worker === 'a'));
  expect(lines.filter(({ msg }) => msg.includes('can only be'))).toMatchObject([{ worker: 'a', value: 'always' }]);
});

test('a decision about an absent worker can be changed, and applies when it reports', async () => {
  const manager = await startManager({ maxDedicatedLanes: 1 });
  await settled(manager, ['a', 'b'], 1);
  manager.isolate('a', 'shared');
  manager.isolate('b', 'shared');
  for (const id of ['a', 'b']) manager.deregisterWorker(id, '');
  expect(manager.isolate('a', 'dedicated')).toBe('absent');
  expect(manager.isolate('b', 'auto')).toBe('absent');
  expect(manager.members.all().map(({ workerId, isolation }) => ({ workerId, isolation }))).toEqual([
    { workerId: 'a', isolation: 'dedicated' },
  ]);
  // Nothing is kept of it any more.
  expect(() => manager.isolate('b', 'auto')).toThrow('no worker is called b');
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 2 });
  await eventually(() => ownersIn(manager, ['a']).length === 1);
  expect(manager.directory.get('a')?.isolation).toBe('dedicated');
});

test('an operator’s decision survives a restart', async () => {
  const first = await startManager({ maxDedicatedLanes: 1 });
  await settled(first, ['a', 'b'], 1);
  first.isolate('a', 'shared');
  first.isolate('b', 'dedicated');
  await eventually(() => ownersIn(first, ['a', 'b']).join() === 'b');
  const second = await startManager({ maxDedicatedLanes: 2 });
  second.restore(first.members.all(), new Map());
  // Who was not heard yet needs no lane.
  expect(ownLanes(second)).toBe(0);
  for (const workerId of ['a', 'b']) second.processHeartbeat({ workerId });
  await eventually(() => ownersIn(second, ['a', 'b']).join() === 'b');
  expect(laneOf(second, 'a').kind).toBe('shared');
  expect(['a', 'b'].map((id) => second.directory.get(id)?.isolation)).toEqual(['shared', 'dedicated']);
  // Who is told of the fleet later, hears of it, too.
  expect(second.announcements().filter(({ type }) => type === 'isolation')).toHaveLength(2);
  // A worker that an operator removes begins anew.
  second.unregisterWorker('a');
  second.processHeartbeat({ workerId: 'a' });
  await eventually(() => ownersIn(second, ['a', 'b']).length === 2);
});
