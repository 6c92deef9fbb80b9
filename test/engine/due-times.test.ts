/** Who is looked at when: never later than a look would find something. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dueAfter } from '../../src/engine/liveness/due-times.ts';
import { EventRecorder } from '../../src/engine/liveness/event-recorder.ts';
import { Judge } from '../../src/engine/liveness/judge.ts';
import { WorkerLiveness } from '../../src/engine/liveness/worker-liveness.ts';
import type { RosterEntry } from '../../src/engine/workers/roster.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { EventLog } from '../../src/model/events.ts';
import { judge, type LivenessFacts } from '../../src/model/liveness.ts';
import { allocateBoard, BoardWriter } from '../../src/store/board.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { repetitions } from '../support/repetitions.ts';

const SWEEP_EVERY_MS = 250;
/** Such that many moments fall on a sweep: what stands up to and with one is found over by the next. */
const LIMITS = {
  heartbeatIntervalMs: 1000,
  inactivityTimeoutMs: 5000,
  retentionMs: 40_000,
  ephemeralRetentionMs: 15_000,
};
const WORKERS = 8;
/** They were known to an earlier master. */
const RESTORED = 3;
const GRACE_MS = 9000;

test('the verdict of a worker does not change before it is due', () => {
  const anyFacts: fc.Arbitrary<LivenessFacts> = fc.record({
    knownMs: fc.integer({ min: -20_000, max: 0 }),
    lastReceivedMs: fc.option(fc.nat(10_000), { nil: undefined }),
    isRestored: fc.boolean(),
    hasRecord: fc.boolean(),
    isLeaving: fc.boolean(),
    hasHungUp: fc.boolean(),
    isEphemeral: fc.boolean(),
    intervalMs: fc.integer({ min: 1001, max: 3000 }),
    graceUntilMs: fc.nat(20_000),
    patientUntilMs: fc.nat(20_000),
  });
  const countsUntil = fc.option(fc.nat(40_000), { nil: undefined });
  fc.assert(
    fc.property(anyFacts, countsUntil, fc.nat(60_000), (facts, countsUntilMs, nowMs) => {
      const { state, untilMs } = judge(facts, nowMs, LIMITS);
      const dueMs = dueAfter({ untilMs, isHeld: false, countsUntilMs }, nowMs);
      expect(dueMs).toBeLessThanOrEqual(countsUntilMs ?? dueMs);
      for (let ms = nowMs; ms <= Math.min(dueMs, nowMs + 60_000); ms++) {
        if (judge(facts, ms, LIMITS).state !== state) throw new Error(`it is due at ${dueMs}, and changes at ${ms}`);
      }
      expect(dueAfter({ untilMs, isHeld: true, countsUntilMs }, nowMs)).toBe(nowMs + 1000);
    }),
    { numRuns: repetitions(50, 2000) },
  );
});

interface Step {
  readonly what: (typeof WHATS)[number];
  readonly worker: number;
  /** Bits of those who send during the step. */
  readonly senders: number;
  readonly ms: number;
}
const WHATS = [
  ...['nothing', 'nothing', 'receive', 'receive late', 'farewell', 'hang up', 'record', 'begin anew'],
  ...['hear', 'hear no more', 'group', 'ephemeral', 'interval', 'release brakes'],
  ...['slow down', 'speed up', 'all hear'],
] as const;

/** A judge of a fleet, told of by steps. */
function fleetOf(clock: FakeClock) {
  const board = new BoardWriter(allocateBoard(WORKERS, clock.monotonicMs()));
  const entries: (RosterEntry | undefined)[] = [];
  const heldMs: number[] = new Array(WORKERS).fill(Number.NEGATIVE_INFINITY);
  const log = new EventLog();
  let assignedIntervalMs = LIMITS.heartbeatIntervalMs;
  const own = new Judge({
    rows: WORKERS,
    limits: LIMITS,
    brakeMaxHoldMs: 20_000,
    board,
    recorder: new EventRecorder({ log, clock, logger: silentLogger, onEvents: () => {} }),
    clock,
    atRow: (row) => entries[row],
    assignedIntervalMs: () => assignedIntervalMs,
    onGone: (entry) => {
      own.forget(entry, 'retention');
      entries[entry.row] = undefined;
    },
    onActivity: () => {},
    onPresence: () => {},
    onHolds: () => {},
  });
  for (let row = 0; row < WORKERS; row++) {
    const place = board.occupy({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() });
    const isRestored = row < RESTORED;
    const liveness = new WorkerLiveness({
      knownMs: own.nowMs(),
      graceUntilMs: isRestored ? own.nowMs() + GRACE_MS : undefined,
      hasRecord: isRestored,
      intervalMs: 0,
      intervalOf: (facts) => own.intervalOf(facts),
    });
    liveness.group = row < 6 ? 'rack' : '';
    if (isRestored) board.restore(row, { isActive: true, lastUpdateS: 1, registeredS: 1 });
    const entry = { workerId: `w${row}`, ...place, liveness, slot: { hasRecord: isRestored } };
    entries.push(entry as unknown as RosterEntry);
  }
  for (const entry of entries) own.admit(entry as RosterEntry);
  own.grace(RESTORED, own.nowMs() + GRACE_MS);
  return {
    judge: own,
    /** Everybody but those whom a brake keeps as they are, or did a moment ago: these have their turn once a second. */
    lookAtAll() {
      const isHeld = own.holds.brakes.length > 0;
      for (const entry of entries) {
        if (entry === undefined) continue;
        if (isHeld && entry.liveness.isSilent) heldMs[entry.row] = own.nowMs();
        if (own.nowMs() - (heldMs[entry.row] as number) > 1000) own.described(entry);
      }
    },
    take({ what, worker }: Pick<Step, 'what' | 'worker'>) {
      const entry = entries[worker];
      if (what === 'release brakes') own.releaseBrakes();
      if (what === 'slow down') assignedIntervalMs = 7 * LIMITS.heartbeatIntervalMs;
      if (what === 'speed up') assignedIntervalMs = LIMITS.heartbeatIntervalMs;
      if (what === 'all hear') {
        for (const each of entries) if (each !== undefined && !each.liveness.hears) own.hears(each, true);
      }
      if (entry === undefined) return;
      const { liveness } = entry;
      switch (what) {
        case 'receive':
        case 'receive late':
        case 'farewell':
          return own.received(entry, own.nowMs(), what !== 'receive late', what === 'farewell');
        case 'hang up':
          return own.hungUp(entry);
        case 'record':
          (entry.slot as { hasRecord: boolean }).hasRecord = true;
          if (!liveness.hasRecord) own.recorded(entry);
          return;
        case 'begin anew':
          liveness.hasBegunAnew = true;
          return;
        case 'hear':
        case 'hear no more':
          if (liveness.hears !== (what === 'hear')) own.hears(entry, what === 'hear');
          return;
        case 'group':
          liveness.group = liveness.group === 'rack' ? '' : 'rack';
          return own.described(entry);
        case 'ephemeral':
          liveness.isEphemeral = !liveness.isEphemeral;
          return own.described(entry);
        case 'interval':
          liveness.announcedIntervalMs = liveness.announcedIntervalMs === 0 ? 3000 : 0;
          return own.described(entry);
        default:
      }
    },
    seen: () => ({
      workers: entries.map(
        (entry) => entry && [board.state(entry.row), board.cause(entry.row), board.isActive(entry.row)],
      ),
      holds: own.holds,
      events: log
        .all()
        .map(({ type, workerId, group, to, cause, detail }) => [type, workerId, group, to, cause, detail]),
    }),
  };
}

test('a judge that checks only due workers always finds the same as one that checks all', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    what: fc.constantFrom(...WHATS),
    worker: fc.nat(WORKERS - 1),
    senders: fc.oneof(fc.constantFrom(0, 255), fc.nat(255)),
    ms: fc.oneof(
      fc.nat(15_000),
      fc.nat(60).map((sweeps) => sweeps * SWEEP_EVERY_MS),
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 25 }), (steps) => {
      const clock = new FakeClock(0);
      const due = fleetOf(clock);
      const all = fleetOf(clock);
      const both = [due, all];
      clock.every(SWEEP_EVERY_MS, () => {
        all.lookAtAll();
        for (const { judge: each } of both) each.sweep();
        expect(due.seen()).toEqual(all.seen());
      });
      for (const { senders, ms, ...news } of steps) {
        for (const fleet of both) fleet.take(news);
        for (let passed = 0; passed < ms; passed += 1000) {
          clock.advance(Math.min(1000, ms - passed));
          for (let worker = 0; worker < WORKERS; worker++) {
            if ((senders & (1 << worker)) === 0) continue;
            for (const fleet of both) {
              fleet.take({ what: 'receive', worker });
              fleet.take({ what: 'record', worker });
            }
          }
        }
      }
      expect(due.seen()).toEqual(all.seen());
    }),
    { numRuns: repetitions(40, 3000) },
  );
});
