/** Threads that cannot be started: through real threads, and a processor whose file is gone for a while. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { StartGate } from '../../src/engine/lanes/start-gate.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { eventually } from '../support/eventually.ts';

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const undo of clean.splice(0).reverse()) await undo();
});

async function startWithProcessor(options: TelemetryManagerOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-starts-'));
  clean.push(() => rmSync(folder, { recursive: true }));
  const processor = join(folder, 'processor.mjs');
  writeFileSync(processor, `export default ({ cpuUsage }) => { if (cpuUsage === 66) throw new Error('66'); };`);
  const told: boolean[] = [];
  const manager = new TelemetryManager({
    maxWorkers: 100,
    processor,
    onThreadsFailing: (fails) => told.push(fails),
    ...options,
  });
  clean.push(() => manager.shutdown());
  await manager.start();
  return {
    manager,
    told,
    takeAway: () => renameSync(processor, `${processor}.gone`),
    putBack: () => renameSync(`${processor}.gone`, processor),
    send: (workerId: string, cpuUsage: number) => manager.processHeartbeat({ workerId, cpuUsage }),
    cpuOf: (workerId: string) => manager.getWorkerTelemetry(workerId)?.cpuUsage,
    factsOf(workerId: string) {
      const entry = manager.directory.get(workerId);
      if (entry === undefined) throw new Error(`${workerId} is not known`);
      const { lane, lost } = manager.directory.board.view(entry.row, 0);
      return { lane: lane.kind, state: lane.state, lost, lastFault: entry.lastFault };
    },
    faults: () => manager.events.all().filter(({ type }) => type === 'fault' || type === 'fault_over'),
  };
}

test('workers whose lane does not start are served by a running shared lane, and not charged', async () => {
  const { manager, told, takeAway, putBack, send, cpuOf, factsOf, faults } = await startWithProcessor({
    maxDedicatedLanes: 10,
    sharedLanes: 1,
  });
  takeAway();
  for (const id of ['a', 'b', 'c']) send(id, 1);
  await eventually(() => ['a', 'b', 'c'].every((id) => cpuOf(id) === 1));
  await eventually(() => told.includes(true));
  await eventually(() => manager.internalState().lanes.reduce((sum, { restarts }) => sum + restarts, 0) > 3);
  send('a', 2);
  await eventually(() => cpuOf('a') === 2);
  for (const id of ['a', 'b', 'c']) {
    expect(factsOf(id)).toEqual({ lane: 'shared', state: 'ready', lost: 0, lastFault: undefined });
  }
  expect(told).toEqual([true]);
  expect(faults()).toMatchObject([{ detail: expect.stringMatching(/^threads cannot be started: .*cannot be loaded/) }]);
  expect(manager.internalState().lanes.filter(({ state }) => state === 'quarantined')).toEqual([]);

  putBack();
  await eventually(() => ['a', 'b', 'c'].every((id) => factsOf(id).lane === 'dedicated'), 15_000);
  send('c', 3);
  await eventually(() => cpuOf('c') === 3);
  expect(told).toEqual([true, false]);
  expect(faults().map(({ type }) => type)).toEqual(['fault', 'fault_over']);
});

test('if no lane runs, heartbeats wait for one; the worker that ended the last lane is charged once', async () => {
  const { told, takeAway, putBack, send, cpuOf, factsOf } = await startWithProcessor({
    maxDedicatedLanes: 0,
    sharedLanes: 1,
  });
  send('good', 1);
  await eventually(() => cpuOf('good') === 1);
  takeAway();
  send('bad', 66);
  await eventually(() => told.includes(true));
  send('good', 2);
  send('new', 1);
  expect(factsOf('good')).toMatchObject({ state: 'restarting', lastFault: undefined });
  putBack();
  await eventually(() => cpuOf('good') === 2 && cpuOf('new') === 1, 15_000);
  expect(factsOf('good')).toMatchObject({ lost: 0, lastFault: undefined });
  expect(factsOf('new')).toMatchObject({ lost: 0, lastFault: undefined });
  expect(factsOf('bad')).toMatchObject({ lane: 'penalty', lost: 1 });
  expect(told).toEqual([true, false]);
});

test('failed starts are retried with increasing delays up to a maximum', () => {
  const tries = fc.array(fc.record({ isAbandoned: fc.boolean(), lateMs: fc.nat(1000) }), { minLength: 1 });
  fc.assert(
    fc.property(tries, (all) => {
      const gate = new StartGate(60_000);
      let nowMs = 0;
      let lastWaitMs = 0;
      for (const [index, { isAbandoned, lateMs }] of all.entries()) {
        expect(gate.failed({ reason: '', isAbandoned }, nowMs)).toBe(index === 0);
        expect(gate.isFailing).toBe(true);
        const waitMs = gate.waitMs(nowMs);
        expect(waitMs).toBeGreaterThan(0);
        expect(waitMs).toBeLessThanOrEqual(isAbandoned ? 60_000 : 10_000);
        if (!isAbandoned) expect(waitMs).toBeGreaterThanOrEqual(lastWaitMs);
        if (!isAbandoned) lastWaitMs = waitMs;
        nowMs += waitMs + lateMs;
        expect(gate.waitMs(nowMs)).toBe(0);
      }
      expect(gate.succeeded()).toBe(true);
      expect([gate.isFailing, gate.waitMs(nowMs), gate.succeeded()]).toEqual([false, 0, false]);
    }),
  );
});
