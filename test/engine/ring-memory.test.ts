import { afterEach, expect, test } from 'vitest';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { RingMemory, ringBudgetBytes } from '../../src/engine/workers/ring-memory.ts';
import type { RingOfWorker } from '../../src/engine/workers/ring-span.ts';
import { ringBytes } from '../../src/store/layout.ts';
import { AllowanceReader, newAllowance } from '../../src/store/record-allowance.ts';
import { eventually } from '../support/eventually.ts';

const MIB = 1024 ** 2;
const HOUR_MS = 3_600_000;

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

test('the budget is a size, or a share of the memory, but at least a mebibyte', () => {
  expect(ringBudgetBytes({ bytes: 5 * MIB }, 1024 * MIB)).toBe(5 * MIB);
  expect(ringBudgetBytes({ share: 0.1 }, 1000 * MIB)).toBe(100 * MIB);
  expect(ringBudgetBytes({ share: 0.1 }, MIB)).toBe(MIB);
});

/** 200 workers, one heartbeat per 5 s each; sweeps of main. */
function fleetOfRings(budgetBytes: number) {
  const allowance = newAllowance(64);
  const limits = new AllowanceReader(allowance);
  const said: string[] = [];
  const plain: RingOfWorker = { ringCapacity: 64, metricColumns: 0, columnsWanted: 0, periodMs: 5000 };
  const rings: RingOfWorker[] = Array.from({ length: 200 }, () => plain);
  const memory = new RingMemory({
    budgetBytes,
    wantedSpanMs: HOUR_MS,
    allowance,
    ringAt: (row) => rings[row],
    onShort: (areShort, detail) => said.push(`${areShort} ${detail}`),
  });
  for (const ring of rings) memory.added(ring);
  const round = () => {
    for (let sweep = 0; sweep < 20; sweep++) memory.look(rings.length);
  };
  const setColumns = (columns: number) => {
    for (const row of rings.keys()) rings[row] = { ...plain, columnsWanted: columns };
  };
  return { limits, memory, said, round, setColumns };
}

test('when the memory does not suffice, all rings shorten, which is said once; and when it does, they recover', () => {
  // A ring of an hour takes 37 kB; with four columns, 70 kB.
  const { limits, memory, said, round, setColumns } = fleetOfRings(9 * MIB);
  round();
  expect([limits.sampleSpanMs, limits.areRingsShort]).toEqual([HOUR_MS, false]);
  setColumns(4);
  round();
  expect([limits.sampleSpanMs, limits.areRingsShort]).toEqual([(HOUR_MS * 9) / 16, true]);
  expect(memory.view).toMatchObject({ spanMs: (HOUR_MS * 9) / 16, wantedSpanMs: HOUR_MS, budgetBytes: 9 * MIB });
  setColumns(64);
  round();
  expect(limits.sampleSpanMs).toBeLessThan(HOUR_MS / 10);
  setColumns(0);
  for (let n = 0; n < 20; n++) round();
  expect([limits.sampleSpanMs, limits.areRingsShort]).toEqual([HOUR_MS, false]);
  expect(said).toEqual([
    'true RING_MEMORY (9 MiB) does not suffice for RING_TIME (1h): all workers’ samples are kept in memory for less',
    'false RING_MEMORY (9 MiB) suffices for RING_TIME (1h) again',
  ]);
});

test('one ring may grow by a quarter of what is free, and figures are published at most once a second', () => {
  const { limits, memory } = fleetOfRings(8 * MIB);
  const used = 200 * ringBytes({ ringCapacity: 64, metricColumns: 0 });
  expect(limits.ringRoomBytes).toBe(Math.floor((8 * MIB - used) / 4));
  expect(memory.takeChanges(5000)?.usedBytes).toBe(used);
  memory.added({ ringCapacity: 32_768, metricColumns: 64 });
  expect(limits.ringRoomBytes).toBe(0);
  expect(memory.takeChanges(5999)).toBeUndefined();
  expect(memory.takeChanges(6000)?.usedBytes).toBeGreaterThan(used);
  expect(memory.takeChanges(9000)).toBeUndefined();
  memory.removed({ ringCapacity: 32_768, metricColumns: 64 });
  expect(memory.view.usedBytes).toBe(used);
});

test('rings of a running engine stay within their budget: metrics for which there is no room are left out', async () => {
  const manager = new TelemetryManager({
    maxWorkers: 10,
    maxDedicatedLanes: 0,
    sharedLanes: 1,
    samples: { spanMs: 60_000, memory: { bytes: 20_000 }, metrics: 100 },
  });
  running.push(manager);
  await manager.start();
  const used = () => {
    const found = manager.announcements().find(({ type }) => type === 'ringMemory');
    return found?.type === 'ringMemory' ? found.memory : undefined;
  };
  const metrics = Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`m${n}`, n]));
  for (let beat = 1; beat <= 3; beat++) {
    manager.processHeartbeat({ workerId: 'a', cpuUsage: beat, metrics });
    await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === beat);
  }
  await eventually(() => (used()?.budgetBytes ?? 0) > 0);
  expect(used()?.usedBytes).toBeLessThanOrEqual(20_000);
  // Its 100 columns need more than all of it, even at the least span.
  await eventually(() => used()?.spanMs === 10_000);
  expect(manager.events.all().map(({ type }) => type)).toContain('fault');
});

test('the ring of a removed worker counts while its slot is kept for the next one', async () => {
  const manager = new TelemetryManager({
    maxDedicatedLanes: 0,
    sharedLanes: 1,
    samples: { spanMs: 60_000, memory: { bytes: MIB } },
  });
  running.push(manager);
  await manager.start();
  const usedBytes = () => {
    const found = manager.announcements().find(({ type }) => type === 'ringMemory');
    return found?.type === 'ringMemory' ? found.memory.usedBytes : undefined;
  };
  manager.processHeartbeat({ workerId: 'a', cpuUsage: 1 });
  const ring = await eventually(() => usedBytes() || undefined);
  manager.unregisterWorker('a');
  // So soon it gets memory of its own.
  manager.processHeartbeat({ workerId: 'b', cpuUsage: 1 });
  await eventually(() => usedBytes() === 2 * ring);
});

test.each([
  [{ spanMs: 1, memory: { bytes: 0 } }, 'samples.memory.bytes is 0, expected a size above 0'],
  [{ spanMs: 1, memory: { share: 1.5 } }, 'samples.memory.share is 1.5, expected a share above 0, at most 1'],
  [{ spanMs: 1, metrics: 257 }, 'samples.metrics is 257, expected a whole number from 0 to 256'],
])('%o is a wrong setting', (samples, message) => {
  expect(() => new TelemetryManager({ samples })).toThrow(message);
});
