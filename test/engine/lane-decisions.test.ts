import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blameFor, type EndFacts, ranFor } from '../../src/engine/lanes/blame.ts';
import {
  CLEAN_AFTER_MS,
  FAULT_WINDOW_MS,
  isCleanAgain,
  isOfLate,
  isTooMuch,
  MAX_FAULTS,
  NO_FAULTS,
  restartDelayMs,
  withFault,
} from '../../src/engine/lanes/fault-history.ts';
import type { LaneWorker } from '../../src/engine/lanes/lane-handle.ts';
import { nextHalvingStep } from '../../src/engine/lanes/lane-search.ts';
import { isStuck, StallWatch } from '../../src/engine/lanes/stall-watch.ts';
import { overBudget, TimeShares } from '../../src/engine/lanes/time-shares.ts';
import { isLaneTransition, LANE_STATES, replacementReason } from '../../src/model/lanes.ts';
import { Hand, LedgerReader, LedgerWriter, newLedger } from '../../src/store/lane-ledger.ts';

test('five failures within a minute are too many, however they are spread, and fewer never are', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(gaps, (gapsMs) => {
      let nowMs = 0;
      let history = NO_FAULTS;
      const all: number[] = [];
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        all.push(nowMs);
        history = withFault(history, nowMs);
        const recent = all.filter((atMs) => nowMs - atMs < FAULT_WINDOW_MS).length;
        expect(isTooMuch(history, nowMs)).toBe(recent >= MAX_FAULTS);
        expect(history.length).toBe(recent);
        expect(isOfLate(history, nowMs + FAULT_WINDOW_MS - 1)).toBe(true);
      }
      expect(isTooMuch(history, nowMs + FAULT_WINDOW_MS)).toBe(false);
      expect(isOfLate(history, nowMs + FAULT_WINDOW_MS)).toBe(false);
    }),
  );
});

test('every worker on the penalty lane leaves it in time, charged or not', () => {
  const times = fc.array(fc.nat(10 * CLEAN_AFTER_MS), { maxLength: 20 });
  fc.assert(
    fc.property(times, fc.nat(CLEAN_AFTER_MS), fc.nat(CLEAN_AFTER_MS), (atMs, sinceMs, passedMs) => {
      const history = atMs.sort((a, b) => a - b).reduce(withFault, NO_FAULTS);
      const lastMs = Math.max(sinceMs, history.at(-1) ?? 0);
      expect(isCleanAgain(history, sinceMs, lastMs + CLEAN_AFTER_MS)).toBe(true);
      expect(isCleanAgain(history, sinceMs, lastMs + Math.min(passedMs, CLEAN_AFTER_MS - 1))).toBe(false);
    }),
  );
});

test('the delay grows with each failure; a shared lane’s workers are served again within 3 s', () => {
  let history = NO_FAULTS;
  const own: number[] = [];
  const shared: number[] = [];
  for (let failure = 0; failure < 4; failure++) {
    history = withFault(history, failure);
    own.push(restartDelayMs(history, false));
    shared.push(restartDelayMs(history, true));
  }
  expect(own).toEqual([100, 200, 400, 800]);
  expect(shared).toEqual([100, 200, 400, 400]);
});

test('a lane never leaves "stopped", leaves "draining" only for "stopped", and reaches every state', () => {
  for (const to of LANE_STATES) {
    expect(isLaneTransition('stopped', to)).toBe(false);
    expect(isLaneTransition('draining', to)).toBe(to === 'stopped');
    if (to !== 'starting') expect(LANE_STATES.some((from) => isLaneTransition(from, to))).toBe(true);
  }
});

test('why a heartbeat was replaced follows from the state of its lane', () => {
  expect(LANE_STATES.map(replacementReason)).toEqual([
    'restart',
    'backlog',
    'restart',
    'quarantine',
    'backlog',
    'restart',
  ]);
});

/** Looks every 250 ms; `what` says for each what was seen since the last one. */
function watched(what: readonly ('idle' | 'progress' | 'debt' | 'both')[], stallMs = 2000): (string | undefined)[] {
  const watch = new StallWatch(stallMs);
  return what.map((seen) => {
    if (seen === 'progress' || seen === 'both') watch.noteProgress();
    if (seen === 'debt' || seen === 'both') watch.noteDebt();
    return watch.look(250, true);
  });
}

test('a thread is stalled when it has work and made no progress for the whole time', () => {
  expect(watched(Array(7).fill('debt'))).toEqual(Array(7).fill(undefined));
  expect(watched(Array(8).fill('debt')).at(-1)).toBe('it made no progress for 2 s');
  expect(watched(Array(100).fill('both'))).toEqual(Array(100).fill(undefined));
  expect(watched(Array(100).fill('idle'))).toEqual(Array(100).fill(undefined));
  expect(watched([...Array(7).fill('debt'), 'both', ...Array(7).fill('debt')])).not.toContain(
    'it made no progress for 2 s',
  );
});

test('a thread without progress is stuck if it works or waits, but not if it only gets no CPU', () => {
  const after = (stoodStillMs: number, cpuMs: number | undefined) => isStuck({ stoodStillMs, allowedMs: 2000, cpuMs });
  expect([after(2000, 1900), after(2000, 500), after(9000, 500)]).toEqual([true, true, true]);
  expect([after(2000, 0), after(2000, undefined), after(60_000, 400)]).toEqual([true, true, true]);
  expect([after(2000, 20), after(2000, 499), after(9000, 499)]).toEqual([false, false, false]);
});

test('a pause of the main thread does not count as a stall of a lane', () => {
  const watch = new StallWatch(2000);
  watch.noteDebt();
  expect(watch.look(60_000, true)).toBeUndefined();
  expect(watch.stoodStillMs).toBe(500);
});

test('a thread that never gets ready is terminated, one that is slow is not', () => {
  const watch = new StallWatch(2000);
  for (let look = 0; look < 119; look++) expect(watch.look(250, false)).toBeUndefined();
  expect(watch.look(250, false)).toBe('it was not ready within 30 s');
  watch.reset();
  expect(watch.look(250, false)).toBeUndefined();
});

describe('the search by halves', () => {
  test('finds any one of n workers in ⌈log₂ n⌉ + 1 failures, and clears only innocent ones', () => {
    const fleets = fc.integer({ min: 1, max: 300 }).chain((n) => fc.tuple(fc.constant(n), fc.nat(n - 1)));
    fc.assert(
      fc.property(fleets, ([n, culprit]) => {
        const lanes = [new Set(Array.from({ length: n }, (_, worker) => worker)), new Set<number>()] as const;
        let cleared: ReadonlySet<number> = new Set();
        for (let failure = 1; ; failure++) {
          expect(failure).toBeLessThanOrEqual(Math.ceil(Math.log2(n)) + 1);
          const [failed, other] = lanes[0].has(culprit) ? lanes : [lanes[1], lanes[0]];
          const step = nextHalvingStep(failed, other, cleared);
          if ('found' in step) {
            expect(step.found).toBe(culprit);
            return;
          }
          expect(step.cleared.has(culprit)).toBe(false);
          for (const worker of step.move) {
            failed.delete(worker);
            other.add(worker);
          }
          cleared = step.cleared;
        }
      }),
    );
  });

  test('ends without a result when the remaining workers cannot be the cause', () => {
    expect(nextHalvingStep(['a', 'b'], [], new Set(['a', 'b']))).toEqual({ found: undefined });
    expect(nextHalvingStep([], ['a'], new Set())).toEqual({ found: undefined });
  });
});

test('the worker that exceeds the budget by the most is found; no worker within it is', () => {
  const uses = fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 50 });
  fc.assert(
    fc.property(uses, fc.integer({ min: 1, max: 10_000 }), (used, budgetMs) => {
      const most = Math.max(...used);
      const found = overBudget(
        used.map((usedMs, worker) => ({ worker, usedMs })),
        budgetMs,
      );
      if (most >= budgetMs) expect(found?.usedMs).toBe(most);
      else expect(found).toBeUndefined();
    }),
  );
});

describe('the time of a lane', () => {
  const worker = (row: number) => ({ row, occupant: 1 }) as LaneWorker;
  const workers = [worker(0), worker(1)];

  function newShares() {
    const memory = newLedger(2);
    return { lane: new LedgerWriter(memory), shares: new TimeShares(new LedgerReader(memory)) };
  }

  test('counts the time used in the last ten seconds, wherever counts wrap', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.array(fc.nat(400_000), { maxLength: 20 }), (before, uses) => {
        const memory = newLedger(2);
        const lane = new LedgerWriter(memory);
        lane.add(worker(0), before);
        lane.add(worker(0), before);
        const shares = new TimeShares(new LedgerReader(memory));
        for (const micros of uses) {
          lane.add(worker(0), micros);
          shares.look(250);
        }
        const usedMicros = uses.reduce((sum, micros) => sum + micros, 0);
        expect(shares.endedMs(worker(0))).toBe(usedMicros / 1000);
        expect(shares.suspect(workers, 1000)).toBe(usedMicros >= 1e6 ? workers[0] : undefined);
      }),
    );
  });

  test('of a turn that does not end counts for its worker while it lasts', () => {
    const { lane, shares } = newShares();
    lane.takeUp(worker(1));
    for (let look = 0; look < 4; look++) {
      expect(shares.suspect(workers, 1000)).toBeUndefined();
      shares.look(250);
    }
    shares.look(250);
    expect(shares.suspect(workers, 1000)).toBe(workers[1]);
    // What of it was the worker's is known at its end.
    expect(shares.endedMs(worker(1))).toBe(0);
    lane.layDown();
    lane.add(worker(1), 1_200_000);
    expect(shares.endedMs(worker(1))).toBe(1200);
    shares.forgive(worker(1));
    expect(shares.endedMs(worker(1))).toBe(0);
  });

  test.each([
    ['ten seconds', 41, 250],
    ['an absence of main', 1, 60_000],
  ])('is forgotten after %s', (_, looks, elapsedMs) => {
    const { lane, shares } = newShares();
    lane.add(worker(0), 5_000_000);
    shares.look(250);
    expect(shares.suspect(workers, 1000)).toBe(workers[0]);
    for (let look = 0; look < looks; look++) shares.look(elapsedMs);
    expect(shares.suspect(workers, 1000)).toBeUndefined();
  });

  test('is counted for its worker, even if the row is reused, in any order', () => {
    const steps = fc.array(
      fc.record({
        row: fc.nat(2),
        occupant: fc.integer({ min: 1, max: 4 }),
        micros: fc.nat(300_000),
        looks: fc.nat(2),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const memory = newLedger(3);
        const lane = new LedgerWriter(memory);
        const shares = new TimeShares(new LedgerReader(memory));
        let total = 0;
        const newest = [0, 0, 0];
        const usedMicros = new Map<string, number>();
        for (const { row, occupant, micros, looks } of all) {
          lane.add({ row, occupant }, micros);
          total += micros;
          newest[row] = Math.max(newest[row] as number, occupant);
          const key = `${row} ${occupant}`;
          if (occupant === newest[row]) usedMicros.set(key, (usedMicros.get(key) ?? 0) + micros);
          // Within the window.
          for (let look = 0; look < looks && all.length < 15; look++) shares.look(250);
        }
        expect(shares.totalMs).toBe(total / 1000);
        for (const [row, occupant] of newest.entries()) {
          expect(shares.endedMs({ row, occupant })).toBe((usedMicros.get(`${row} ${occupant}`) ?? 0) / 1000);
          expect(shares.endedMs({ row, occupant: occupant + 1 })).toBe(0);
        }
      }),
    );
  });

  test('that was reset does not count for the next worker of the row either', () => {
    const { lane, shares } = newShares();
    lane.add(worker(0), 900_000);
    shares.forgive(worker(0));
    lane.add(worker(0), 100_000);
    expect(shares.endedMs(worker(0))).toBe(100);
    const next = { row: 0, occupant: 2 };
    expect(shares.endedMs(next)).toBe(0);
    lane.add(next, 50_000);
    lane.add(worker(0), 5_000_000);
    expect([shares.endedMs(next), shares.totalMs]).toEqual([50, 6050]);
  });

  test('that runs for a former worker of a row does not count for the next one', () => {
    const { lane, shares } = newShares();
    lane.takeUp({ row: 0, occupant: 7 });
    for (let look = 0; look < 9; look++) shares.look(250);
    expect(shares.suspect(workers, 1000)).toBeUndefined();
  });
});

test('a thread counts as running for its last worker, unless it is deaf', () => {
  const owner = { row: 3, occupant: 4 };
  const of = (hand: Hand, isResting: boolean, hasMoved: boolean) =>
    (['stall', 'exit', 'crash'] as const).map((cause) => ranFor({ hand, isResting, owner, hasMoved }, cause)?.row);
  expect(of(Hand.worker, false, false)).toEqual([3, 3, 3]);
  // Between two of its endless promises.
  expect(of(Hand.worker, true, true)).toEqual([3, 3, 3]);
  expect(of(Hand.worker, true, false)).toEqual([undefined, 3, 3]);
  for (const isResting of [true, false]) {
    expect(of(Hand.nobodyKnown, isResting, true)).toEqual([undefined, undefined, undefined]);
  }
});

describe('the end of a thread', () => {
  const KNOWN = ['a', 'b', 'c'];
  const at = (row: number) => ({ row, occupant: 1 });
  const GONE = at(7);
  const none: EndFacts<string> = { isDisbelieved: false, named: undefined, inHand: [], ran: undefined };

  test.each<[whose: string, facts: Partial<EndFacts<string>>, culprit: string | undefined, isUntraced?: boolean]>([
    ['whoever the thread or main names', { named: at(0), inHand: ['b'], ran: at(2) }, 'a'],
    ['nobody’s, if who is named is gone', { named: GONE, inHand: ['b'], ran: at(2) }, undefined],
    ['that of the one in hand', { inHand: ['b'], ran: at(2) }, 'b'],
    ['that of the one it ran for, if several seem to be in hand', { inHand: ['a', 'b'], ran: at(2) }, 'c'],
    ['nobody’s, if several seem to be in hand and nothing else tells', { inHand: ['a', 'b'] }, undefined],
    ['that of the one it ran for', { ran: at(2) }, 'c'],
    ['nobody’s, if the one it ran for is gone', { ran: GONE }, undefined],
    ['to be searched for, if it ran for nobody known', { ran: 'nobody known' }, undefined, true],
    ['nobody’s, if it ran for nobody', {}, undefined],
    ['nobody’s, if it is ended for what it says', { isDisbelieved: true, inHand: ['b'], ran: at(2) }, undefined],
    ['nobody’s, whoever it names, if it is ended for what it says', { isDisbelieved: true, named: at(0) }, undefined],
  ])('is %s', (_, facts, culprit, isUntraced = false) => {
    expect(blameFor({ ...none, ...facts }, (row) => KNOWN[row])).toEqual({ culprit, isUntraced });
  });
});
