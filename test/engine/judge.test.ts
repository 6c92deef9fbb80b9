/** The judge by itself: what no timing of real lanes can be made to show. */
import { expect, test } from 'vitest';
import { EventRecorder } from '../../src/engine/liveness/event-recorder.ts';
import { Judge } from '../../src/engine/liveness/judge.ts';
import { WorkerLiveness } from '../../src/engine/liveness/worker-liveness.ts';
import type { RosterEntry } from '../../src/engine/workers/roster.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { EventLog } from '../../src/model/events.ts';
import { allocateBoard, BoardWriter } from '../../src/store/board.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = { heartbeatIntervalMs: 5000, inactivityTimeoutMs: 30_000, retentionMs: 0, ephemeralRetentionMs: 0 };

/** A judge of so many workers, none of which has a record. */
function judgeOf(count: number) {
  const clock = new FakeClock();
  const board = new BoardWriter(allocateBoard(count, clock.monotonicMs()));
  const entries: RosterEntry[] = [];
  const judge = new Judge({
    rows: count,
    limits: LIMITS,
    brakeMaxHoldMs: 300_000,
    board,
    recorder: new EventRecorder({ log: new EventLog(), clock, logger: silentLogger, onEvents: () => {} }),
    clock,
    atRow: (row) => entries[row],
    assignedIntervalMs: () => LIMITS.heartbeatIntervalMs,
    onGone: () => {},
    onActivity: () => {},
    onPresence: () => {},
    onHolds: () => {},
  });
  for (let i = 0; i < count; i++) {
    const place = board.occupy({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() });
    const liveness = new WorkerLiveness({
      knownMs: judge.nowMs(),
      graceUntilMs: undefined,
      hasRecord: false,
      intervalMs: 0,
      intervalOf: (facts) => judge.intervalOf(facts),
    });
    entries.push({ workerId: `w${i}`, ...place, liveness, slot: { hasRecord: false } } as unknown as RosterEntry);
  }
  for (const entry of entries) judge.admit(entry);
  clock.every(250, () => judge.sweep());
  return { clock, board, judge, entries };
}

test('workers whose late lane made them look silent are judged like others, including by the brake', () => {
  const { clock, board, judge, entries } = judgeOf(4);
  for (const entry of entries) judge.received(entry, judge.nowMs(), true, false);
  clock.advance(60_000);
  for (const entry of entries) judge.recorded(entry);
  clock.advance(1000);
  expect(judge.holds.brakes).toMatchObject([{ silent: 4, watched: 4 }]);
  expect(entries.map(({ row }) => board.state(row))).toEqual(Array.from(entries, () => 'registered'));
  judge.releaseBrakes();
  expect(entries.map(({ row }) => board.state(row))).toEqual(Array.from(entries, () => 'inactive'));
});
