import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isActiveIn, judge, type LivenessFacts, type LivenessLimits } from '../../src/model/liveness.ts';

const HOUR_MS = 3_600_000;
const limits: LivenessLimits = {
  heartbeatIntervalMs: 5000,
  inactivityTimeoutMs: 30_000,
  retentionMs: 24 * HOUR_MS,
  ephemeralRetentionMs: 600_000,
};

function facts(some: Partial<LivenessFacts> = {}): LivenessFacts {
  return {
    knownMs: 0,
    lastReceivedMs: 1000,
    isRestored: false,
    hasRecord: true,
    isLeaving: false,
    hasHungUp: false,
    isEphemeral: false,
    intervalMs: 5000,
    graceUntilMs: 0,
    patientUntilMs: 0,
    ...some,
  };
}

function stateAt(nowMs: number, some: Partial<LivenessFacts> = {}): string {
  return judge(facts(some), nowMs, limits).state;
}

test('a worker is active, suspect when two heartbeats are missing, and inactive beyond the timeout', () => {
  expect(stateAt(12_000)).toBe('active');
  expect(stateAt(12_000.001)).toBe('suspect');
  expect(stateAt(31_000)).toBe('suspect');
  expect(stateAt(31_000.001)).toBe('inactive');
});

test('deadlines stretch with the interval that the worker keeps', () => {
  expect(stateAt(1000 + 2.2 * 20_000, { intervalMs: 20_000 })).toBe('active');
  expect(stateAt(1000 + 120_000, { intervalMs: 20_000 })).toBe('suspect');
  expect(stateAt(1000 + 120_001, { intervalMs: 20_000 })).toBe('inactive');
});

test('a worker that never sent anything is registered, never inactive', () => {
  expect(stateAt(HOUR_MS, { lastReceivedMs: undefined })).toBe('registered');
});

test('a worker of an earlier master is unknown up to the end of the grace, and inactive beyond', () => {
  const restored = { lastReceivedMs: undefined, isRestored: true, knownMs: -20_000, graceUntilMs: 60_000 };
  expect(stateAt(60_000, restored)).toBe('unknown');
  expect(judge(facts(restored), 60_001, limits)).toMatchObject({ state: 'inactive', cause: 'grace_over' });
  // Heard once, and then not for a while: still within the grace.
  expect(stateAt(60_000, { ...restored, lastReceivedMs: 1000 })).toBe('active');
  expect(stateAt(60_001, { ...restored, lastReceivedMs: 1000 })).toBe('inactive');
});

test('a worker of an earlier master stays unknown while nothing that it sent was applied, up to the end of the grace', () => {
  const unapplied = { isRestored: true, hasRecord: false, graceUntilMs: 60_000 };
  expect(stateAt(60_000, unapplied)).toBe('unknown');
  expect(judge(facts(unapplied), 60_001, limits)).toMatchObject({ state: 'registered', cause: 'no_record' });
  expect(stateAt(2000, { hasRecord: false })).toBe('registered');
});

test('a worker that said farewell is leaving, and left when it hangs up or two intervals have passed', () => {
  expect(stateAt(5000, { isLeaving: true })).toBe('leaving');
  expect(stateAt(5000, { isLeaving: true, hasHungUp: true })).toBe('left');
  expect(stateAt(12_001, { isLeaving: true })).toBe('left');
  expect(stateAt(HOUR_MS, { isLeaving: true })).toBe('left');
});

test('a silent worker is forgotten after the retention, an ephemeral one sooner, or never', () => {
  const later = 24 * HOUR_MS + 1001;
  expect(stateAt(later)).toBe('gone');
  expect(stateAt(later, { lastReceivedMs: undefined })).toBe('gone');
  expect(stateAt(later, { isLeaving: true })).toBe('gone');
  expect(stateAt(601_001, { isEphemeral: true })).toBe('gone');
  expect(judge(facts(), 1e12, { ...limits, retentionMs: 0 }).state).toBe('inactive');
  expect(judge(facts({ isEphemeral: true }), 601_001, { ...limits, retentionMs: 0 }).state).toBe('gone');
  expect(judge(facts({ isEphemeral: true }), 601_001, { ...limits, ephemeralRetentionMs: 0 }).state).toBe('inactive');
});

test('nobody who was waited for is forgotten before the grace is over', () => {
  const restored = { lastReceivedMs: undefined, isRestored: true, knownMs: -30 * HOUR_MS, graceUntilMs: 60_000 };
  expect(stateAt(60_000, restored)).toBe('unknown');
  expect(stateAt(60_001, restored)).toBe('gone');
});

const anyFacts: fc.Arbitrary<LivenessFacts> = fc.record({
  knownMs: fc.integer({ min: -1e9, max: 0 }),
  lastReceivedMs: fc.option(fc.nat(1_000_000), { nil: undefined }),
  isRestored: fc.boolean(),
  hasRecord: fc.boolean(),
  isLeaving: fc.boolean(),
  hasHungUp: fc.boolean(),
  isEphemeral: fc.boolean(),
  intervalMs: fc.integer({ min: 5000, max: 600_000 }),
  graceUntilMs: fc.nat(2_000_000),
  patientUntilMs: fc.nat(2_000_000),
});

test('without news a verdict holds for as long as it says, and no longer', () => {
  fc.assert(
    fc.property(anyFacts, fc.integer({ min: 1_000_000, max: 200_000_000 }), (some, nowMs) => {
      const { state, untilMs } = judge(some, nowMs, limits);
      expect(untilMs).toBeGreaterThanOrEqual(nowMs);
      if (untilMs === Number.POSITIVE_INFINITY) return;
      expect(judge(some, untilMs, limits).state).toBe(state);
      expect(judge(some, untilMs + 0.01, limits).state).not.toBe(state);
    }),
  );
});

test('states only get worse as silence grows', () => {
  const order = ['unknown', 'registered', 'leaving', 'active', 'suspect', 'inactive', 'left', 'gone'];
  fc.assert(
    fc.property(anyFacts, fc.nat(200_000_000), fc.nat(200_000_000), (some, a, b) => {
      const [sooner, later] = a < b ? [a, b] : [b, a];
      const rankAt = (ms: number) => order.indexOf(judge(some, 1_000_000 + ms, limits).state);
      expect(rankAt(later)).toBeGreaterThanOrEqual(rankAt(sooner));
    }),
  );
});

test('what is active follows from the state, but for those of whom nothing is known', () => {
  const states = ['registered', 'active', 'suspect', 'inactive', 'unknown', 'leaving', 'left'] as const;
  expect(states.map(isActiveIn)).toEqual([false, true, true, false, undefined, true, false]);
});

test('a worker that sends once a day is inactive after six days, and removed after its retention beyond that', () => {
  const daily = { intervalMs: 24 * HOUR_MS };
  const lastMs = 1000;
  expect(stateAt(lastMs + 2.2 * 24 * HOUR_MS, daily)).toBe('active');
  expect(stateAt(lastMs + 6 * 24 * HOUR_MS, daily)).toBe('suspect');
  expect(stateAt(lastMs + 6 * 24 * HOUR_MS + 1, daily)).toBe('inactive');
  expect(stateAt(lastMs + 7 * 24 * HOUR_MS, daily)).toBe('inactive');
  expect(stateAt(lastMs + 7 * 24 * HOUR_MS + 1, daily)).toBe('gone');
  // Up to an hour, retention counts from the last heartbeat.
  expect(stateAt(lastMs + 24 * HOUR_MS + 1, { intervalMs: HOUR_MS })).toBe('gone');
});
