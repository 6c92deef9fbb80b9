import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLEAN_AFTER_MS } from '../../src/engine/lanes/fault-history.ts';
import {
  KEPT_FOR_MS,
  type LaneHolder,
  Need,
  type NeedFacts,
  neediest,
  needOf,
  ownLaneOrder,
  whoGivesWay,
} from '../../src/engine/lanes/lane-policy.ts';
import { ISOLATIONS } from '../../src/model/isolation.ts';

const NOW_MS = 10_000_000;
const ORDINARY: NeedFacts = {
  arrival: 0,
  isolation: 'auto',
  wishesOwnLane: false,
  isHeavy: false,
  isAbsent: false,
  faults: [],
};

const worker: fc.Arbitrary<NeedFacts> = fc.record({
  arrival: fc.nat(100),
  isolation: fc.constantFrom(...ISOLATIONS),
  wishesOwnLane: fc.boolean(),
  isHeavy: fc.boolean(),
  isAbsent: fc.boolean(),
  faults: fc.array(fc.integer({ min: NOW_MS - 2 * CLEAN_AFTER_MS, max: NOW_MS }), { maxLength: 2 }),
});

describe('the need of a worker', () => {
  test.each([
    ['that failed is the greatest', { faults: [NOW_MS - 1], isolation: 'dedicated', wishesOwnLane: true }, Need.failed],
    ['that failed ten minutes ago counts no more', { faults: [NOW_MS - CLEAN_AFTER_MS] }, Need.ordinary],
    ['is what an operator decided', { isolation: 'dedicated', wishesOwnLane: true }, Need.decided],
    ['is its wish', { wishesOwnLane: true, isHeavy: true }, Need.wished],
    ['is its load', { isHeavy: true }, Need.heavy],
    ['is that of all others', {}, Need.ordinary],
    [
      'that is not there is less, whatever else',
      { isAbsent: true, faults: [NOW_MS], isolation: 'dedicated' },
      Need.absent,
    ],
    [
      'is none where an operator decided that it shares, whatever else',
      { isolation: 'shared', faults: [NOW_MS], wishesOwnLane: true, isHeavy: true, isAbsent: true },
      Need.never,
    ],
  ] as const)('%s', (_, facts, need) => {
    expect(needOf({ ...ORDINARY, ...facts }, NOW_MS)).toBe(need);
  });
});

test('free lanes go to the greatest need, then to the earliest worker, and never to shared or absent ones', () => {
  fc.assert(
    fc.property(fc.array(worker), (workers) => {
      const order = [...ownLaneOrder(workers, NOW_MS)];
      const expected = workers
        .filter((each) => needOf(each, NOW_MS) > Need.absent)
        .sort((a, b) => needOf(b, NOW_MS) - needOf(a, NOW_MS) || a.arrival - b.arrival);
      expect(order).toEqual(expected);
    }),
  );
});

describe('a lane that is taken', () => {
  const heldFor = (heldMs: number, facts: Partial<NeedFacts>): LaneHolder<NeedFacts> => ({
    worker: { ...ORDINARY, ...facts },
    sinceMs: NOW_MS - heldMs,
  });

  test('is given up by the worker that needs it least, the last one of these', () => {
    const holders = [{ isHeavy: true }, {}, {}].map((facts) => heldFor(KEPT_FOR_MS, facts));
    expect(whoGivesWay({ ...ORDINARY, wishesOwnLane: true }, holders, NOW_MS)).toBe(holders[2]?.worker);
    expect(whoGivesWay({ ...ORDINARY, wishesOwnLane: true }, holders.slice(0, 1), NOW_MS)).toBe(holders[0]?.worker);
  });

  test('is not given to workers of equal need', () => {
    fc.assert(
      fc.property(worker, (each) => {
        expect(whoGivesWay(each, [heldFor(KEPT_FOR_MS, each)], NOW_MS)).toBeUndefined();
        expect(whoGivesWay(ORDINARY, [heldFor(KEPT_FOR_MS, { wishesOwnLane: true })], NOW_MS)).toBeUndefined();
      }),
    );
  });

  test('is given up at once by an absent worker, to any present one', () => {
    const holders = [heldFor(KEPT_FOR_MS, {}), heldFor(0, { isAbsent: true, wishesOwnLane: true }), heldFor(0, {})];
    expect(whoGivesWay(ORDINARY, holders, NOW_MS)).toBe(holders[1]?.worker);
    expect(whoGivesWay({ ...ORDINARY, isAbsent: true }, holders, NOW_MS)).toBeUndefined();
  });

  test('is kept for a minute against requests and load, but not against failures and decisions', () => {
    const holders = [heldFor(KEPT_FOR_MS - 1, {})];
    expect(whoGivesWay({ ...ORDINARY, wishesOwnLane: true }, holders, NOW_MS)).toBeUndefined();
    expect(whoGivesWay({ ...ORDINARY, isHeavy: true }, holders, NOW_MS)).toBeUndefined();
    expect(whoGivesWay({ ...ORDINARY, faults: [NOW_MS] }, holders, NOW_MS)).toBeDefined();
    expect(whoGivesWay({ ...ORDINARY, isolation: 'dedicated' }, holders, NOW_MS)).toBeDefined();
  });
});

/** Workers and a number of lanes, dealt with as the pool does: free lanes first, then one that gives way at a time. */
class Deal {
  readonly bound: number;
  readonly holders: LaneHolder<NeedFacts>[] = [];
  waiting: NeedFacts[];

  constructor(bound: number, workers: readonly NeedFacts[]) {
    this.bound = bound;
    this.waiting = [...workers];
  }

  /** @returns whether anything moved */
  step(nowMs: number): boolean {
    const free = this.bound - this.holders.length;
    const [next] = ownLaneOrder(this.waiting, nowMs);
    if (free > 0 && next !== undefined) {
      this.#give(next, nowMs);
      return true;
    }
    const to = neediest(this.waiting, nowMs) ?? next;
    const from = to && whoGivesWay(to, this.holders, nowMs);
    if (to === undefined || from === undefined) return false;
    const at = this.holders.findIndex(({ worker }) => worker === from);
    this.holders.splice(at, 1);
    this.waiting.push(from);
    this.#give(to, nowMs);
    return true;
  }

  /** @returns moves until nothing moves any more */
  settle(nowMs: number): number {
    let moves = 0;
    while (this.step(nowMs)) expect(++moves).toBeLessThan(10_000);
    return moves;
  }

  #give(worker: NeedFacts, nowMs: number): void {
    this.waiting.splice(this.waiting.indexOf(worker), 1);
    this.holders.push({ worker, sinceMs: nowMs });
    expect(this.holders.length).toBeLessThanOrEqual(this.bound);
  }
}

test('lanes never exceed the maximum, end with the workers of greatest need, and stay while nothing changes', () => {
  // No failure is forgiven meanwhile.
  const faults = fc.constantFrom([], [NOW_MS - CLEAN_AFTER_MS], [NOW_MS]);
  const fleet = fc.array(
    fc.tuple(worker, faults).map(([each, itsFaults]) => ({ ...each, faults: itsFaults })),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(fc.nat(20), fleet, fleet, (bound, first, later) => {
      const deal = new Deal(bound, first);
      deal.settle(NOW_MS);
      deal.waiting.push(...later);
      // After the time for which lanes are kept.
      const laterMs = NOW_MS + KEPT_FOR_MS;
      const moves = deal.settle(laterMs);
      expect(moves).toBeLessThanOrEqual(first.length + later.length + bound);
      const waits = deal.waiting.map((each) => needOf(each, laterMs));
      const has = deal.holders.map(({ worker }) => needOf(worker, laterMs));
      const mostWaiting = Math.max(Need.never, ...waits);
      if (mostWaiting > Need.absent) {
        expect(Math.min(...has, Need.failed)).toBeGreaterThanOrEqual(mostWaiting);
      }
      if (deal.holders.length < bound) expect(mostWaiting).toBeLessThanOrEqual(Need.absent);
      expect(deal.settle(laterMs)).toBe(0);
      expect(deal.settle(laterMs + KEPT_FOR_MS + 1)).toBe(0);
    }),
  );
});
