import { afterEach, expect, test, vi } from 'vitest';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../src/model/lanes.ts';
import { WORKER_STATES } from '../../src/model/liveness.ts';
import { HEARTBEAT_REFUSALS, TRANSPORTS } from '../../src/model/transports.ts';
import { ApplyTimesWriter, applyBucketOf } from '../../src/store/apply-times.ts';
import { allocateBoard, BoardReader, BoardWriter } from '../../src/store/board.ts';
import {
  attentiveMs,
  type MasterFigures,
  noneOf,
  noneOfTable,
  STATES_AND_GONE,
} from '../../src/store/master-figures.ts';

afterEach(() => vi.restoreAllMocks());

type Written = Parameters<BoardWriter['setFigures']>[0];

/** Each number tells which writing it is of, and which number it is. */
function figuresOf(writing: number): Written {
  let next = writing * 100;
  return {
    writtenMonotonicMs: next++,
    attentive: { offsetMs: next++, mayJudge: writing % 2 === 0 },
    holds: { graceEndsUnixMs: next++, brakes: next++, silent: next++ },
    anomalies: { scored: next++, anomalous: next++ },
    gauges: {
      loopDelayMs: { mean: next++, max: next++ },
      connections: next++,
      streams: next++,
      lanes: byName(LANE_KINDS, () => byName(LANE_STATES, () => next++)),
      laneLagMs: byName(LANE_KINDS, () => next++),
      threadsLeftBehind: next++,
    },
    laneFailures: byName(FAULT_CAUSES, () => next++),
  };
}

function byName<K extends string, V>(names: readonly K[], next: () => V): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, next()])) as Record<K, V>;
}

test('every figure is read as it was written', () => {
  const board = new BoardWriter(allocateBoard(3, 0));
  const reader = new BoardReader(board.memory);
  const { row } = board.occupy({ monotonicMs: 0, wallMs: 0 }) as { row: number };
  for (let n = 0; n < 9; n++) board.accepted(row, { monotonicMs: 0, wallMs: 0 }, n < 4 ? 'grpc_unary' : 'http');
  board.countRefused('rate_limited');
  // One gap of three, one of which arrives late.
  for (const missed of [3, 2]) board.setMissed(row, missed);
  board.setState(row, 'active', 'heartbeat', 0);
  board.setState(row, 'active', 'heartbeat', 0);
  board.setState(row, 'suspect', 'silence', 0);
  const times = new ApplyTimesWriter(board.memory.applyTimes, 1);
  for (const ms of [1, 1, 2500]) times.record(ms);
  board.collectApplyTimes();
  board.countApplied(4);
  board.countForgotten(1);
  let count = 0;
  for (const reason of REPLACEMENT_REASONS) for (let n = ++count; n > 0; n--) board.countReplaced(row, reason);
  for (const cause of FAULT_CAUSES) for (let n = ++count; n > 0; n--) board.countLost(row, cause);
  for (const cause of REJECTION_CAUSES) board.countRejected(cause, ++count);
  const before = board.view(row, 0);
  board.setFigures(figuresOf(2));
  const { totals, transitions, applyTimes, ...figures } = reader.figures();
  expect(figures).toEqual(figuresOf(2));
  expect(transitions).toEqual({
    ...noneOfTable(WORKER_STATES, STATES_AND_GONE),
    registered: { ...noneOf(STATES_AND_GONE), active: 1 },
    active: { ...noneOf(STATES_AND_GONE), suspect: 1 },
  });
  expect(applyTimes.counts[applyBucketOf(0.001)]).toBe(2);
  expect(applyTimes.counts[applyBucketOf(2.5)]).toBe(1);
  expect(applyTimes.sumSeconds).toBeCloseTo(2.502, 9);
  expect(totals).toEqual({
    accepted: 9,
    acceptedBy: { ...noneOf(TRANSPORTS), grpc_unary: 4, http: 5 },
    refusedBy: { ...noneOf(HEARTBEAT_REFUSALS), rate_limited: 1 },
    gaps: 1,
    applied: 4,
    forgotten: 1,
    replacedBy: { backlog: 1, restart: 2, quarantine: 3, late: 4, duplicate: 5, memory: 6 },
    lostBy: { crash: 7, exit: 8, memory: 9, stall: 10 },
    rejectedBy: { content: 11, record_size: 12, record_memory: 13 },
  });
  // The rows lie behind, untouched.
  expect(reader.view(row, 0)).toEqual(before);
  board.release(row);
  board.setFigures({ ...figuresOf(3), holds: { graceEndsUnixMs: undefined, brakes: 0, silent: 0 } });
  expect(reader.figures().totals).toEqual(totals);
  expect(reader.figures().holds.graceEndsUnixMs).toBeUndefined();
  expect(reader.figures().transitions.suspect.gone).toBe(1);
});

test('a read of figures retries if they are written meanwhile', () => {
  const board = new BoardWriter(allocateBoard(1, 0));
  board.setFigures(figuresOf(1));
  const copy = Float64Array.prototype.slice;
  let writes = 2;
  vi.spyOn(Float64Array.prototype, 'slice').mockImplementation(function (this: Float64Array, from, to) {
    const first = copy.call(this, from, (from as number) + 4);
    // Twice: the second overwrites what is being copied.
    for (let n = 0; n < 2 && writes <= 5; n++) board.setFigures(figuresOf(writes++));
    const whole = copy.call(this, from, to);
    whole.set(first);
    return whole;
  });
  const { totals: _, transitions, applyTimes, ...figures } = new BoardReader(board.memory).figures();
  expect(figures).toEqual(figuresOf(5));
});

test('attentive time stops for readers while main may be blocked', () => {
  const figures = { writtenMonotonicMs: 10_000, attentive: { offsetMs: 3000, mayJudge: true } } as MasterFigures;
  expect([10_000, 10_250, 10_500, 10_501, 90_000].map((nowMs) => attentiveMs(figures, nowMs))).toEqual([
    7000, 7250, 7500, 7500, 7500,
  ]);
});
