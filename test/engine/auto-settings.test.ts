import { expect, test } from 'vitest';
import { autoSettings } from '../../src/engine/auto-settings.ts';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';

const AUTO = { maxDedicatedLanes: undefined, sharedLanes: undefined, maxWorkers: 100 };
const GIB = 1024 ** 3;

function sources(totalMemoryBytes: number) {
  return {
    procRoot: '/nowhere',
    cgroupRoot: '/nowhere',
    totalMemoryBytes,
    constrainedMemoryBytes: 0,
    usedMemoryBytes: 0,
    isRoot: true,
  };
}

test('auto is an eighth of the memory for records, within bounds, and nine tenths for the process', () => {
  const of = (gib: number) => autoSettings(AUTO, { sources: sources(gib * GIB), cores: 4 });
  expect(of(2)).toMatchObject({ recordMemoryBytes: GIB / 4, maxResidentBytes: 1.8 * GIB, shared: 2 });
  expect(of(64).recordMemoryBytes).toBe(GIB / 2);
  expect(of(0.25).recordMemoryBytes).toBe(GIB / 16);
});

test('it is what an engine on this machine comes to', () => {
  const { lanePlan } = new TelemetryManager({ maxDedicatedLanes: 'auto', sharedLanes: 'auto' });
  const { shared, dedicated } = autoSettings({ ...AUTO, maxWorkers: 20_000 });
  expect(shared).toBe(lanePlan.shared);
  // Memory that others take and give back moves it by a few, where it is what limits.
  expect(dedicated).toBeGreaterThan(lanePlan.dedicated / 2);
});
