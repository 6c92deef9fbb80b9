import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryRoom } from '../../src/engine/lanes/memory-room.ts';
import {
  carriesAnother,
  type MachineFacts,
  type Resource,
  threadBudget,
} from '../../src/engine/lanes/thread-budget.ts';
import { FakeClock } from '../support/fake-clock.ts';

const limit = fc.record({
  setting: fc.string(),
  // From nothing to more than 2 ** 53, as cgroup v1 writes "no limit"; near the sizes that matter more often than not.
  most: fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 100_000_000_000 }), fc.constant(2 ** 63)),
  taken: fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 100_000_000_000 })),
});

const facts: fc.Arbitrary<MachineFacts> = fc.record({
  memory: fc.array(limit, { minLength: 1, maxLength: 4 }),
  processes: fc.array(limit, { maxLength: 4 }),
  'memory maps': fc.array(limit, { maxLength: 1 }),
  'open files': fc.array(limit, { maxLength: 1 }),
});

const sharedLanes = fc.integer({ min: 1, max: 64 });
const resource = fc.constantFrom<Resource>('memory', 'processes', 'memory maps', 'open files');

/** A machine on which nothing binds but what is said. */
function roomy(limits: Partial<Record<Resource, { most: number; taken: number }>>): MachineFacts {
  const of = (name: Resource) => {
    const given = limits[name];
    return given === undefined ? [] : [{ setting: `max of ${name}`, ...given }];
  };
  return {
    memory: [{ setting: 'RAM', most: 1e15, taken: 0 }, ...of('memory')],
    processes: of('processes'),
    'memory maps': of('memory maps'),
    'open files': of('open files'),
  };
}

const ROOM: Readonly<Record<Resource, number>> = {
  memory: 100e9,
  processes: 10_000,
  'memory maps': 400_000,
  'open files': 60_000,
};

describe('the thread budget', () => {
  test('is a number for any limits', () => {
    fc.assert(
      fc.property(facts, sharedLanes, (machine, shared) => {
        const { lanes, allowances } = threadBudget(machine, shared);
        for (const count of [lanes, ...allowances.map((allowance) => allowance.lanes)]) {
          expect(Number.isInteger(count)).toBe(true);
          expect(count).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test('names the tightest limit, and lists each resource once, the smallest first', () => {
    fc.assert(
      fc.property(facts, sharedLanes, (machine, shared) => {
        const { lanes, limitedBy, allowances } = threadBudget(machine, shared);
        expect(lanes).toBe(Math.min(...allowances.map((allowance) => allowance.lanes)));
        expect(allowances[0]).toMatchObject({ resource: limitedBy, lanes });
        expect(allowances.map((allowance) => allowance.lanes)).toEqual(
          allowances.map((allowance) => allowance.lanes).sort((a, b) => a - b),
        );
        const known = Object.entries(machine).filter(([, limits]) => limits.length > 0);
        expect(allowances.map((allowance) => allowance.resource).sort()).toEqual(known.map(([name]) => name).sort());
        for (const { resource, setting } of allowances) {
          expect(machine[resource].map((each) => each.setting)).toContain(setting);
        }
      }),
    );
  });

  test('never increases when a limit decreases, more of it is in use, or another limit is added', () => {
    fc.assert(
      fc.property(
        facts,
        resource,
        limit,
        fc.nat(),
        fc.nat(),
        sharedLanes,
        (machine, name, extra, less, more, shared) => {
          const before = threadBudget(machine, shared).lanes;
          const tighter = machine[name].map((each) => ({ ...each, most: each.most - less, taken: each.taken + more }));
          for (const limits of [tighter, [...machine[name], extra]]) {
            expect(threadBudget({ ...machine, [name]: limits }, shared).lanes).toBeLessThanOrEqual(before);
          }
          expect(threadBudget(machine, shared + 1).lanes).toBeLessThanOrEqual(before);
        },
      ),
    );
  });

  test.each(Object.entries(ROOM))('is bound by %s alone where nothing else is short', (name, room) => {
    const resource = name as Resource;
    const at = (most: number) => threadBudget(roomy({ ...withRoom(), [resource]: { most, taken: 0 } }), 2);
    const [little, twice] = [at(room / 20), at(room / 10)];
    expect(little).toMatchObject({ limitedBy: resource, allowances: [{ setting: `max of ${resource}` }, {}, {}, {}] });
    expect(little.lanes).toBeGreaterThan(0);
    expect(twice.lanes).toBeGreaterThan(1.9 * little.lanes);
    // Nothing is promised of what the others need.
    expect(at(0).lanes).toBe(0);
  });

  test('leaves a quarter of what is free, and room for the rest of the master', () => {
    // 1 GB free, and what the master and two shared lanes take.
    expect(threadBudget(roomy({ memory: { most: 3.12e9, taken: 2e9 } }), 2).lanes).toBe(75);
    expect(threadBudget(roomy({ processes: { most: 168, taken: 50 } }), 2).lanes).toBe(75);
    expect(threadBudget(roomy({ 'memory maps': { most: 4_880, taken: 500 } }), 2).lanes).toBe(75);
    expect(threadBudget(roomy({ 'open files': { most: 1_024, taken: 380 } }), 2).lanes).toBe(75);
  });
});

function withRoom() {
  return Object.fromEntries(Object.entries(ROOM).map(([name, most]) => [name, { most, taken: 0 }]));
}

describe('current memory', () => {
  test('allows another lane while an eighth of what was free remains, under every limit', () => {
    fc.assert(
      fc.property(fc.array(limit, { minLength: 1, maxLength: 4 }), fc.nat(), (atStart, more) => {
        const now = atStart.map((each) => ({ ...each, taken: each.taken + more }));
        const isEnough = atStart.every(
          ({ most, taken }) => most - taken - more - 10e6 >= Math.max(0, most - taken) / 8,
        );
        // Limits may be alike.
        const isOne = new Set(atStart.map(({ setting, most }) => `${setting} ${most}`)).size === atStart.length;
        if (isOne) expect(carriesAnother(atStart, now)).toBe(isEnough);
        if (carriesAnother(atStart, now)) {
          expect(now.every(({ most, taken }) => most - taken >= 10e6)).toBe(true);
        }
      }),
    );
  });

  test('is read again, a few times a second at most', () => {
    const clock = new FakeClock();
    let taken = 1e9;
    let reads = 0;
    const memory = () => [{ setting: 'RAM', most: 8e9, taken }];
    const room = new MemoryRoom(clock, memory(), () => {
      reads++;
      return memory();
    });
    for (let asked = 0; asked < 100; asked++) expect(room.isRoom).toBe(true);
    expect(reads).toBe(1);
    taken = 7.9e9;
    clock.advance(250);
    expect(room.isRoom).toBe(false);
    taken = 2e9;
    clock.advance(250);
    expect(room.isRoom).toBe(true);
  });
});
