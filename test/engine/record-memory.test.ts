import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { LaneHandle } from '../../src/engine/lanes/lane-handle.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { Mailbox } from '../../src/engine/workers/mailbox.ts';
import {
  ALWAYS_TAKEN_BYTES,
  allowanceOf,
  heldBytes,
  mayTake,
  mostAtOnceBytes,
  noGarbage,
  RecordMemory,
  recordBudgetBytes,
} from '../../src/engine/workers/record-memory.ts';
import type { PulselaneError } from '../../src/lib/errors.ts';
import { LEAST_JSON_CAPACITY, slotBytes } from '../../src/store/layout.ts';
import { AllowanceReader, newAllowance } from '../../src/store/record-allowance.ts';
import { eventually } from '../support/eventually.ts';

const MIB = 1024 ** 2;

const facts = fc.record({
  budgetBytes: fc.integer({ min: MIB, max: 1024 * MIB }),
  slotBytes: fc.nat(2 ** 30),
  heartbeatBytes: fc.nat(2 ** 28),
  letGoBytes: fc.nat(2 ** 30),
});

test('the budget is never exceeded by more than small heartbeats and those that already fit', () => {
  fc.assert(
    fc.property(facts, fc.nat(64 * MIB), (held, bytes) => {
      const taken = mayTake({ bytes, room: 0, isFirst: false }, held);
      if (!taken) expect(bytes).toBeGreaterThan(ALWAYS_TAKEN_BYTES);
      else if (bytes > ALWAYS_TAKEN_BYTES) {
        const after = { ...held, heartbeatBytes: held.heartbeatBytes + bytes };
        expect(heldBytes(after)).toBeLessThanOrEqual(held.budgetBytes);
      }
      // Whoever is refused is larger than whoever is not: the largest first.
      if (taken) expect(mayTake({ bytes: Math.floor(bytes / 2), room: 0, isFirst: false }, held)).toBe(true);
      const { maxCapacityBytes } = allowanceOf(held, 8 * MIB);
      expect(2 * maxCapacityBytes).toBeLessThanOrEqual(mostAtOnceBytes(held));
    }),
  );
});

test('heartbeats in mailboxes are counted until they are processed, replaced, or their worker is removed', () => {
  const receipt = { monotonicMs: 0, wallMs: 0 };
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(50), fc.constant('done' as const)), { maxLength: 60 }), (acts) => {
      const ledger = { heartbeatBytes: 0 };
      const mailbox = new Mailbox(4, ledger);
      let lastDone = 0;
      for (const act of acts) {
        if (act !== 'done') mailbox.accept(Buffer.alloc(act), receipt);
        else if (mailbox.outstanding > 0) mailbox.done(++lastDone);
        if (mailbox.isEmpty) expect(ledger.heartbeatBytes).toBe(0);
        if (!mailbox.hasWaiting) {
          const posted = mailbox.undone().reduce((sum, { bytes }) => sum + bytes.length, 0);
          expect(ledger.heartbeatBytes).toBe(posted);
        }
      }
      mailbox.clear();
      expect(ledger.heartbeatBytes).toBe(0);
    }),
  );
});

/** A slot of the least size with so much more room for its record. */
const withRoom = (bytes: number) => ({
  jsonCapacity: LEAST_JSON_CAPACITY + bytes / 2,
  ringCapacity: 4,
  metricColumns: 0,
  taskLogCapacity: 0,
  isScored: false,
});

test('the budget is an eighth of the memory, within limits', () => {
  expect(recordBudgetBytes(256 * MIB)).toBe(64 * MIB);
  expect(recordBudgetBytes(2048 * MIB)).toBe(256 * MIB);
  expect(recordBudgetBytes(1024 ** 4)).toBe(512 * MIB);
});

test('released memory counts until threads have collected it, which they are told to do when it is much', () => {
  let collected = 0;
  const options = {
    budgetBytes: 80 * MIB,
    maxRecordBytes: 8 * MIB,
    allowance: newAllowance(0),
    onCollect: () => collected++,
  };
  const memory = new RecordMemory(options);
  const allowance = new AllowanceReader(options.allowance);
  const least = withRoom(0);
  memory.added(least);
  expect(memory.view).toMatchObject({ slotBytes: 0, letGoBytes: 0, largestRecordBytes: 8 * MIB });
  expect([allowance.maxRecordBytes, allowance.isShort]).toEqual([8 * MIB, false]);
  memory.replaced(least, withRoom(20 * MIB));
  expect(memory.slotBytes).toBe(20 * MIB);
  expect([allowance.maxCapacityBytes, allowance.isShort]).toEqual([(60 * MIB) / 8, true]);
  memory.replaced(withRoom(20 * MIB), least);
  expect(memory.view).toMatchObject({ slotBytes: 0, letGoBytes: 20 * MIB });
  memory.look(1000);
  expect(collected).toBe(1);
  memory.look(2999);
  expect(memory.letGoBytes).toBe(20 * MIB);
  memory.look(3000);
  expect(memory.letGoBytes).toBe(0);
  // Not again at once, however much it is; and not for little.
  memory.added(withRoom(40 * MIB));
  memory.letGo(withRoom(40 * MIB));
  memory.look(5999);
  expect(collected).toBe(1);
  memory.look(6000);
  expect(collected).toBe(2);
  memory.look(13_000);
  memory.added(withRoom(MIB));
  memory.letGo(withRoom(MIB));
  memory.look(30_000);
  expect(collected).toBe(2);
  expect(memory.letGoBytes).toBe(MIB);
  // The least room is no part of the budget, but garbage all the same.
  for (let worker = 0; worker * slotBytes(least) < 10 * MIB; worker++) {
    memory.added(least);
    memory.letGo(least);
  }
  expect(memory.letGoBytes).toBe(MIB);
  memory.look(40_000);
  expect(collected).toBe(3);
});

test('collecting takes little of main’s time, however large its heap, and is rare while few workers cause it', () => {
  let collected = 0;
  const options = {
    budgetBytes: 80 * MIB,
    maxRecordBytes: 8 * MIB,
    allowance: newAllowance(0),
    onCollect: () => collected++,
  };
  const memory = new RecordMemory(options);
  const least = withRoom(0);
  const growsAndShrinks = (of = noGarbage()) => {
    memory.replaced(least, withRoom(11 * MIB), of);
    memory.replaced(withRoom(11 * MIB), least, of);
  };
  const dueMs = (fromMs: number) => {
    const before = collected;
    for (let nowMs = fromMs; ; nowMs += 500) {
      memory.look(nowMs);
      if (collected > before) return nowMs - fromMs;
    }
  };
  memory.added(least);
  growsAndShrinks();
  expect(dueMs(1000)).toBe(0);
  // One alone …
  const one = noGarbage();
  growsAndShrinks(one);
  expect(dueMs(1000)).toBe(60_000);
  // … until memory is short: what it has let go of leaves others less.
  for (let n = 0; n < 4; n++) growsAndShrinks(one);
  expect(dueMs(61_000)).toBe(5000);
  // Two are a fleet.
  memory.look(70_000);
  growsAndShrinks();
  growsAndShrinks();
  expect(dueMs(66_000)).toBe(5000);
  memory.collected(60);
  growsAndShrinks();
  growsAndShrinks();
  expect(dueMs(71_000)).toBe(12_000);
});

test('a slot kept for reuse is subtracted from the garbage once', () => {
  let collected = 0;
  const options = {
    budgetBytes: 8 * MIB,
    maxRecordBytes: MIB,
    allowance: newAllowance(0),
    onCollect: () => collected++,
  };
  const memory = new RecordMemory(options);
  const gone = noGarbage();
  const half = withRoom(512 * 1024);
  const goes = (of = noGarbage()) => memory.letGo(half, of);
  goes(gone);
  goes();
  memory.look(1000);
  expect(collected).toBe(1);
  // Threads have been told: what has gathered since is not less for it.
  goes();
  memory.kept(half, gone);
  goes();
  memory.look(10_000);
  expect(collected).toBe(2);
  goes(gone);
  memory.kept(half, gone);
  goes();
  memory.look(20_000);
  expect(collected).toBe(2);
});

test('the memory of a fleet that comes and goes is freed in every thread that saw it', async () => {
  const program = fileURLToPath(new URL('./programs/churn.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  const [beforeMib, afterMib] = stdout.trim().split(' ').map(Number) as [number, number];
  expect(beforeMib).toBeGreaterThan(40);
  // The slots of 10,000 workers are 240 MB, all of which stayed.
  expect(afterMib - beforeMib).toBeLessThan(130);
}, 60_000);

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions): Promise<TelemetryManager> {
  const manager = new TelemetryManager({ maxWorkers: 100, maxDedicatedLanes: 0, sharedLanes: 1, ...options });
  running.push(manager);
  await manager.start();
  return manager;
}

const countsOf = (manager: TelemetryManager, workerId: string) => {
  const entry = manager.directory.get(workerId);
  if (entry === undefined) throw new Error(`${workerId} is not known`);
  const { accepted, replacedBy } = manager.directory.board.view(entry.row, 0);
  return { accepted, memory: replacedBy.memory, ...entry.slot.counts() };
};

test('records grow until the budget is reached, then the largest are refused; all fit again when they are small', async () => {
  const manager = await startManager({ recordMemoryBytes: 12 * MIB });
  const large = 'x'.repeat(250_000);
  const errors: string[] = [];
  for (let n = 0; n < 20; n++) {
    try {
      manager.processHeartbeat({ workerId: `w${n}`, runningTasks: [{ taskId: large }] });
    } catch (error) {
      errors.push((error as PulselaneError).code);
    }
    await eventually(() => manager.internalState().recordMemory.heartbeatBytes === 0);
  }
  const { slotBytes: held, budgetBytes } = manager.internalState().recordMemory;
  expect(held).toBeLessThanOrEqual(budgetBytes);
  expect(held).toBeGreaterThan(budgetBytes / 2);
  expect(errors.length).toBeGreaterThan(3);
  expect(new Set(errors)).toEqual(new Set(['resource_exhausted']));
  expect(manager.internalState().refusals).toMatchObject({ record_memory: errors.length });
  // Refused, but heard, and accounted for; it is not active, since there is nothing to show of it.
  expect(manager.getWorkerTelemetry('w19')).toMatchObject({ isActive: false, runningTasks: [] });
  expect(countsOf(manager, 'w19')).toEqual({ accepted: 1, memory: 1, applied: 0, rejected: 0 });
  // Smaller ones are taken, and a large one that has its room already.
  manager.processHeartbeat({ workerId: 'w19', runningTasks: [{ taskId: 'x'.repeat(40_000) }] });
  manager.processHeartbeat({ workerId: 'w0', cpuUsage: 5, runningTasks: [{ taskId: large }] });
  await eventually(() => countsOf(manager, 'w19').applied === 1 && countsOf(manager, 'w0').applied === 2);

  for (let n = 0; n < 20; n++) manager.processHeartbeat({ workerId: `w${n}`, cpuUsage: 1 });
  await eventually(() => manager.internalState().recordMemory.slotBytes < MIB / 2);
  await eventually(() => manager.internalState().recordMemory.letGoBytes < budgetBytes / 8);
  manager.processHeartbeat({ workerId: 'w18', runningTasks: [{ taskId: large }] });
  await eventually(() => manager.getWorkerTelemetry('w18')?.runningTasks.length === 1);
});

test('lanes that a worker has left collect its memory, too', async () => {
  const collect = vi.spyOn(LaneHandle.prototype, 'collect');
  onTestFinished(() => collect.mockRestore());
  const manager = await startManager({ maxDedicatedLanes: 1, recordMemoryBytes: 12 * MIB });
  const send = async (bytes: number) => {
    const before = manager.directory.get('w')?.slot.counts().applied ?? 0;
    manager.processHeartbeat({ workerId: 'w', runningTasks: [{ taskId: 'x'.repeat(bytes) }] });
    await eventually(() => manager.directory.get('w')?.slot.counts().applied === before + 1);
  };
  // The one dedicated lane is another's at first.
  manager.registerWorker('first');
  await send(100);
  expect(manager.internalState().lanes).toContainEqual(expect.objectContaining({ kind: 'shared', workers: 1 }));
  manager.unregisterWorker('first');
  await eventually(() =>
    manager.internalState().lanes.some(({ kind, workers }) => kind === 'dedicated' && workers === 1),
  );
  for (const bytes of [100_000, 300_000, 700_000, ...Array.from({ length: 8 }, () => 100)]) await send(bytes);
  await eventually(() => collect.mock.contexts.length > 0);
  expect(new Set(collect.mock.contexts.map((lane) => (lane as LaneHandle).kind))).toEqual(
    new Set(['dedicated', 'shared']),
  );
});

test('a heartbeat whose record exceeds the maximum is rejected and counted, and its worker stays alive', async () => {
  const manager = await startManager({ maxRecordBytes: 4096 });
  manager.processHeartbeat({ workerId: 'w', cpuUsage: 1 });
  manager.processHeartbeat({ workerId: 'w', cpuUsage: 2, runningTasks: [{ taskId: 'x'.repeat(5000) }] });
  await eventually(() => manager.internalState().refusals.record_size === 1);
  // Each of many, which may be rejected between two looks.
  const tooLarge = { workerId: 'w', runningTasks: [{ taskId: 'x'.repeat(5000) }] };
  for (let n = 0; n < 10; n++) manager.processHeartbeat(tooLarge);
  await eventually(() => countsOf(manager, 'w').rejected === 11);
  await eventually(() => manager.internalState().refusals.record_size === 11);
  expect(countsOf(manager, 'w')).toEqual({ accepted: 12, memory: 0, applied: 1, rejected: 11 });
  expect(manager.getWorkerTelemetry('w')).toMatchObject({ cpuUsage: 1, isActive: true });
});
