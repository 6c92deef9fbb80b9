import { create } from '@bufbuild/protobuf';
import { afterEach, expect, test } from 'vitest';
import type { Member } from '../../src/engine/persistence/members.ts';
import type { SavedValues } from '../../src/engine/persistence/values-file.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { emptyRecordJsonHead } from '../../src/model/record-json.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

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

/** What an earlier master has left. */
function leftBy(manager: TelemetryManager): [readonly Member[], Map<string, SavedValues>] {
  return [manager.members.all(), new Map(Array.from(manager.savedValues(), (values) => [values.workerId, values]))];
}

function memberOf(workerId: string, facts: Partial<Member> = {}): Member {
  return { workerId, approved: false, address: undefined, known: false, instanceIds: [], info: undefined, ...facts };
}

test('a worker is restored as it was, and its next heartbeat counts as its first', async () => {
  const wallMs = 1_795_456_495_000;
  const clock = new FakeClock(wallMs);
  const first = await startManager({ clock });
  const runningTasks = Array.from({ length: 100 }, (_, index) => ({ taskId: `t${index}`, status: 'running' }));
  const heartbeat = { workerId: 'a', cpuUsage: 12.5, memoryUsage: 40, runningTasks, metrics: { frames: 24 } };
  first.processHeartbeat(heartbeat);
  const info = create(WorkerInfoSchema, { workerId: 'a', group: 'rack-1', totalCpu: 8 });
  first.announceWorker(info);
  first.registerWorker('never heard');
  await eventually(() => first.getWorkerTelemetry('a')?.cpuUsage === 12.5);
  clock.advance(7000);
  const left = leftBy(first);
  expect(left[1].get('a')).toMatchObject({ silentMs: 7000, isActive: true, lastUpdateS: wallMs / 1000 });
  // Zeros are no values of anybody's.
  expect([...left[1].keys()]).toEqual(['a']);

  const second = await startManager({ clock: new FakeClock(wallMs + 60_000) });
  second.restore(...left);
  expect(second.getWorkerTelemetry('a')).toEqual(first.getWorkerTelemetry('a'));
  expect(second.directory.board.state(0)).toBe('unknown');
  expect(second.getWorkerTelemetry('never heard')).toMatchObject({ cpuUsage: 0 });
  expect(second.directory.get('a')?.facts).toMatchObject({ group: 'rack-1', totalCpu: 8 });
  // What is not heard before the next restart is not older then than it is.
  expect(leftBy(second)[1].get('a')).toMatchObject({ silentMs: 7000, lastUpdateS: wallMs / 1000 });

  second.processHeartbeat({ workerId: 'a', cpuUsage: 1 });
  await eventually(() => second.getWorkerTelemetry('a')?.cpuUsage === 1);
  expect(second.getWorkerTelemetry('a')).toMatchObject({ isActive: true, runningTasks: [], metrics: {} });
  expect(second.directory.get('a')?.slot.counts()).toEqual({ applied: 1, rejected: 0 });
});

test('a worker is noted as heard when its heartbeat came, however late its record is seen', async () => {
  const wallMs = 1_795_456_495_999;
  const clock = new FakeClock(wallMs);
  const manager = await startManager({ clock });
  manager.processHeartbeat({ workerId: 'a' });
  clock.advance(3000);
  await eventually(() => {
    clock.advance(1);
    return manager.getWorkerTelemetry('a')?.isActive;
  });
  expect(manager.members.all()).toMatchObject([{ activity: { isActive: true, heardS: 1_795_456_495 } }]);
});

test('the later of journal and values decides whether a worker was active; in the same second, the journal', async () => {
  const heardS = 1_795_456_495;
  const cases = [-1, 0, 1].flatMap((laterS) => [true, false].map((isActive) => ({ laterS, isActive })));
  const idOf = ({ laterS, isActive }: (typeof cases)[number]) => `${laterS} ${isActive}`;
  const manager = await startManager({ clock: new FakeClock(heardS * 1000 + 5000) });
  const values = cases.map((one): [string, SavedValues] => {
    const workerId = idOf(one);
    const lastUpdateS = heardS + one.laterS;
    const json = emptyRecordJsonHead(workerId);
    return [
      workerId,
      { workerId, silentMs: 0, isActive: one.isActive, intervalMs: 5000, lastUpdateS, registeredS: 0, json },
    ];
  });
  manager.restore(
    cases.map((one) => memberOf(idOf(one), { known: true, activity: { isActive: !one.isActive, heardS } })),
    new Map(values),
  );
  for (const one of cases) {
    const isActive = one.laterS > 0 ? one.isActive : !one.isActive;
    expect(manager.getWorkerTelemetry(idOf(one)), idOf(one)).toMatchObject({ isActive });
  }
});

test('members are informed when a worker becomes known or is removed', async () => {
  const clock = new FakeClock();
  const manager = await startManager({ clock, retentionMs: 60_000 });
  const changed: string[] = [];
  manager.members.onChange((workerId) => changed.push(workerId));
  for (let i = 0; i < 3; i++) manager.processHeartbeat({ workerId: 'a' });
  manager.announceWorker(create(WorkerInfoSchema, { workerId: 'b', group: 'x' }));
  manager.announceWorker(create(WorkerInfoSchema, { workerId: 'b', group: 'x' }));
  expect(changed).toEqual(['a', 'b', 'b']);
  manager.unregisterWorker('a');
  expect(manager.members.all().map(({ workerId }) => workerId)).toEqual(['b']);
  clock.advance(61_000);
  expect(manager.getWorkerTelemetry('b')).toBeUndefined();
  expect(manager.members.all()).toEqual([]);
  expect(changed).toEqual(['a', 'b', 'b', 'a', 'b']);
});

test('after a kill at any moment, exactly the active workers are restored as active and watched by the brake', async () => {
  const wallMs = 1_795_456_495_000;
  const clock = new FakeClock(wallMs);
  const options = {
    heartbeatIntervalMs: 5000,
    inactivityTimeoutMs: 30_000,
    restartGraceMs: 60_000,
    maxDedicatedLanes: 0,
  };
  const first = await startManager({ clock, ...options });
  const fleet = Array.from({ length: 10 }, (_, index) => `w${index}`);
  for (const workerId of ['silent', ...fleet]) first.processHeartbeat({ workerId });
  // Threads need time of their own: the clock's would make them seem to stand still.
  const saved = await eventually(() => {
    const all = [...first.savedValues()];
    return all.length === 11 && all;
  });
  for (let i = 0; i < 8; i++) {
    clock.advance(5000);
    for (const workerId of fleet) first.processHeartbeat({ workerId });
    await eventually(() => fleet.every((id) => first.directory.get(id)?.slot.counts().applied === i + 2));
  }
  first.registerWorker('never heard');
  const isActive = (manager: TelemetryManager) => {
    const all = [...manager.getAllWorkerTelemetry().values()];
    return Object.fromEntries(all.map((worker) => [worker.workerId, worker.isActive]));
  };
  const before = isActive(first);
  expect(before).toMatchObject({ w0: true, silent: false, 'never heard': false });

  // What was saved of values is as old as it can be: some were not active yet, and one was.
  const values = new Map(saved.map((one) => [one.workerId, { ...one, isActive: one.workerId === 'silent' }]));
  const later = new FakeClock(wallMs + 100_000);
  const second = await startManager({ clock: later, ...options });
  second.restore(first.members.all(), values);
  expect(isActive(second)).toEqual(before);
  expect(second.internalState().activeWorkers).toBe(10);
  // The way to them, rather than all of them.
  for (let i = 0; i < 70; i++) later.advance(1000);
  expect(second.holds.brakes).toMatchObject([{ silent: 10, watched: 10 }]);
  expect(isActive(second)).toEqual(before);
  expect(second.members.all()).toEqual(first.members.all());
});

test('known workers and those with an address are restored, workers that were only approved are not', async () => {
  const manager = await startManager();
  manager.restore(
    [
      memberOf('was there', { known: true }),
      memberOf('addressed', { address: '127.0.0.1:1' }),
      memberOf('approved', { approved: true }),
    ],
    new Map(),
  );
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['was there', 'addressed']);
  expect(manager.members.all()).toHaveLength(3);
});

test('under approved admission, workers that were never approved are not restored', async () => {
  const manager = await startManager({ admission: 'approved' });
  manager.restore(
    [memberOf('let in', { known: true, approved: true }), memberOf('came under open admission', { known: true })],
    new Map(),
  );
  expect([...manager.getAllWorkerTelemetry().keys()]).toEqual(['let in']);
  expect(() => manager.processHeartbeat({ workerId: 'came under open admission' })).toThrow(/waits for approval/);
});
