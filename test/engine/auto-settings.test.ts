import { afterEach, expect, test, vi } from 'vitest';
import { autoSettings } from '../../src/engine/auto-settings.ts';
import type * as machineFacts from '../../src/engine/lanes/machine-facts.ts';
import { readMachineFacts } from '../../src/engine/lanes/machine-facts.ts';
import type { MachineFacts } from '../../src/engine/lanes/thread-budget.ts';
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

/** What every reader of the machine's facts gets, in place of the machine's own, which change from one moment to the next. */
const given = vi.hoisted((): { facts: MachineFacts | undefined } => ({ facts: undefined }));
vi.mock('../../src/engine/lanes/machine-facts.ts', async (original) => {
  const actual = await original<typeof machineFacts>();
  const readMachineFacts: typeof actual.readMachineFacts = (sources) => given.facts ?? actual.readMachineFacts(sources);
  return { ...actual, readMachineFacts };
});
afterEach(() => {
  given.facts = undefined;
});

test('it is what an engine with the same facts comes to', () => {
  given.facts = readMachineFacts(sources(3 * GIB));
  const { lanePlan } = new TelemetryManager({ maxDedicatedLanes: 'auto', sharedLanes: 'auto' });
  const { shared, dedicated } = autoSettings({ ...AUTO, maxWorkers: 20_000 });
  expect({ shared, dedicated }).toEqual({ shared: lanePlan.shared, dedicated: lanePlan.dedicated });
  expect(lanePlan.budget.limitedBy).toBe('memory');
});
