import { availableParallelism } from 'node:os';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  exceededBy,
  FIRST_WORKERS,
  LANES_PER_CORE,
  type LaneSettings,
  laneLimitOf,
  planLanes,
  sharedLanesOn,
} from '../../src/engine/lanes/lane-plan.ts';
import type { MachineFacts } from '../../src/engine/lanes/thread-budget.ts';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { createLogger } from '../../src/lib/logging.ts';

const MAX_WORKERS = 20_000;
const AUTO: LaneSettings = { maxDedicatedLanes: undefined, sharedLanes: undefined };

/** Carries 75 lanes beside two shared ones by its memory, and 150 by its processes. */
const SMALL: MachineFacts = {
  memory: [{ setting: 'memory.max', most: 3.12e9, taken: 2e9 }],
  processes: [{ setting: 'pids.max', most: 268, taken: 50 }],
  'memory maps': [],
  'open files': [],
};
const LARGE: MachineFacts = { ...SMALL, memory: [{ setting: 'RAM', most: 1e15, taken: 0 }], processes: [] };

test.each([
  [{ maxDedicatedLanes: 'ALL' }, 'maxDedicatedLanes is "ALL"'],
  [{ maxDedicatedLanes: -1 }, 'maxDedicatedLanes is -1'],
  [{ maxDedicatedLanes: 1.5 }, 'maxDedicatedLanes is 1.5'],
  [{ maxDedicatedLanes: null }, 'maxDedicatedLanes is null'],
  [{ sharedLanes: 0 }, 'sharedLanes is 0'],
  [{ sharedLanes: 'all' }, 'sharedLanes is "all"'],
])('a manager with %j is refused', (options, message) => {
  expect(() => new TelemetryManager(options as never)).toThrow(message);
});

test('a manager takes the words that the settings take', () => {
  const { lanePlan } = new TelemetryManager({ maxDedicatedLanes: 'auto', sharedLanes: 'auto' });
  expect(lanePlan).toMatchObject({ isSet: false, shared: sharedLanesOn(availableParallelism()) });
});

describe('a plan', () => {
  test.each([
    ['of one core is that of a fleet of ordinary size', 1, LARGE, FIRST_WORKERS, 'first workers'],
    ['of two is that, too', 2, LARGE, FIRST_WORKERS, 'cores'],
    ['of many is bound by the cores', 8, LARGE, 8 * LANES_PER_CORE, 'cores'],
    ['is never more than the machine carries', 64, SMALL, 70, 'memory'],
  ] as const)('%s', (_, cores, facts, dedicated, limitedBy) => {
    const plan = planLanes({ facts, cores }, AUTO, MAX_WORKERS);
    expect(plan).toMatchObject({ dedicated, isSet: false });
    expect(laneLimitOf(plan, false)).toMatchObject({ dedicated, limitedBy });
    expect(exceededBy(plan)).toEqual([]);
  });

  test('gives each of the first 64 workers a lane, and none that the machine does not carry', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), fc.nat(100_000_000_000), fc.nat(100_000), (cores, free, pids) => {
        const facts: MachineFacts = {
          ...SMALL,
          memory: [{ setting: 'RAM', most: free, taken: 0 }],
          processes: [{ setting: 'pids.max', most: pids, taken: 0 }],
        };
        const { dedicated, budget } = planLanes({ facts, cores }, AUTO, MAX_WORKERS);
        expect(dedicated).toBeLessThanOrEqual(budget.lanes);
        expect(dedicated).toBeGreaterThanOrEqual(Math.min(FIRST_WORKERS, budget.lanes));
        expect(dedicated).toBeLessThanOrEqual(Math.max(FIRST_WORKERS, cores * LANES_PER_CORE));
      }),
    );
  });

  test('follows the setting, and reports which limits it seems to exceed', () => {
    const of = (maxDedicatedLanes: number | 'all') =>
      planLanes({ facts: SMALL, cores: 2 }, { maxDedicatedLanes, sharedLanes: 2 }, MAX_WORKERS);
    const exceeded = (plan: ReturnType<typeof of>) => exceededBy(plan).map(({ resource }) => resource);
    expect(of(0)).toMatchObject({ dedicated: 0, isSet: true, shared: 2, budget: { lanes: 75, limitedBy: 'memory' } });
    expect(exceeded(of(75))).toEqual([]);
    expect(exceeded(of(76))).toEqual(['memory']);
    expect(of('all')).toMatchObject({ dedicated: MAX_WORKERS, isSet: true });
    expect(exceeded(of('all'))).toEqual(['memory', 'processes']);
    // Memory holds none of these back.
    for (const setting of [3, 'all'] as const)
      expect(laneLimitOf(of(setting), true)).toMatchObject({
        limitedBy: 'MAX_DEDICATED_LANES',
        isMemoryShort: false,
      });
  });

  test('has one shared lane on few cores, and more where cores are idle otherwise', () => {
    expect([1, 2, 3, 4, 6, 8, 16, 128].map(sharedLanesOn)).toEqual([1, 1, 1, 2, 3, 4, 8, 8]);
    const machine = { facts: LARGE, cores: 4 };
    expect(planLanes(machine, AUTO, MAX_WORKERS).shared).toBe(2);
    expect(planLanes(machine, { ...AUTO, sharedLanes: 5 }, MAX_WORKERS).shared).toBe(5);
  });

  test('is reported with the limit that applies, and whether memory is currently short', () => {
    const plan = planLanes({ facts: SMALL, cores: 64 }, { ...AUTO, sharedLanes: 2 }, MAX_WORKERS);
    const told = { dedicated: 75, limitedBy: 'memory', setting: 'memory.max', isMemoryShort: true };
    expect(laneLimitOf(plan, true)).toEqual(told);
    const byCores = laneLimitOf(planLanes({ facts: LARGE, cores: 2 }, AUTO, MAX_WORKERS), false);
    expect(byCores).toEqual({
      dedicated: FIRST_WORKERS,
      limitedBy: 'cores',
      setting: 'MAX_DEDICATED_LANES',
      isMemoryShort: false,
    });
  });
});

describe('an engine', () => {
  async function startedWith(maxDedicatedLanes: number | 'all' | undefined) {
    const log = new PassThrough();
    const logger = createLogger({ level: 'warn', destination: log });
    const manager = new TelemetryManager({ maxWorkers: 100_000, maxDedicatedLanes, logger });
    await manager.start();
    await manager.shutdown();
    return { plan: manager.internalState().lanePlan, logged: String(log.read() ?? '') };
  }

  test('plans with the facts of its machine', async () => {
    const { plan, logged } = await startedWith(undefined);
    const cores = availableParallelism();
    const byCores = cores * LANES_PER_CORE;
    expect(plan).toMatchObject({ isSet: false, shared: sharedLanesOn(cores), byCores });
    expect(plan.dedicated).toBe(Math.min(Math.max(FIRST_WORKERS, byCores), plan.budget.lanes));
    expect(plan.dedicated).toBeGreaterThan(0);
    expect(logged).toBe('');
  });

  test.each([
    [10_000_000, 'MAX_DEDICATED_LANES is 10000000, more than this machine’s limits seem to allow: '],
    ['all', 'MAX_DEDICATED_LANES is all, up to 100000 lanes, more than this machine’s limits seem to allow: '],
  ] as const)('warns of every limit that %s seems to exceed, and heeds it', async (setting, warning) => {
    const { plan, logged } = await startedWith(setting);
    expect(plan.dedicated).toBe(setting === 'all' ? 100_000 : setting);
    expect(logged).toContain('"level":"warn"');
    expect(logged).toContain(warning);
    for (const { resource, setting: name, lanes } of exceededBy(plan)) {
      expect(logged).toContain(`${lanes} by ${resource} (${name})`);
    }
    expect((await startedWith(1)).logged).toBe('');
  });
});
