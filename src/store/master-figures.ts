/**
 * Figures of the master as a whole, as numbers on the board: attentive time, holds, totals since the start, and main's
 * gauges. Main writes all of them together four times a second, so that they are consistent (double-buffer.ts).
 */
import {
  FAULT_CAUSES,
  type FaultCause,
  LANE_KINDS,
  LANE_STATES,
  type LaneKind,
  type LaneState,
  REJECTION_CAUSES,
  REPLACEMENT_REASONS,
  type RejectionCause,
  type ReplacementReason,
} from '../model/lanes.ts';
import { WORKER_STATES, type WorkerState } from '../model/liveness.ts';
import { HEARTBEAT_REFUSALS, type HeartbeatRefusal, TRANSPORTS, type Transport } from '../model/transports.ts';
import { APPLY_BUCKETS, type ApplyTimes } from './apply-times.ts';
import { beginRead, beginWrite, currentCopy, endWrite, isWhole, MAX_READ_TRIES } from './double-buffer.ts';
import { BOARD_FIGURES, BoardWord, FIGURE_COUNT, FigureNumber } from './layout.ts';

/** The time in which silence is measured, see engine/liveness/attentive-clock.ts. */
export interface AttentiveTime {
  /** Difference between monotonic and attentive time, in ms: grows with every stall of the master. */
  readonly offsetMs: number;
  /** Whether main has run smoothly for long enough to judge workers. */
  readonly mayJudge: boolean;
}

/** What currently holds judgement; the announcements of holds name the groups. */
export interface HoldFigures {
  /** End of the restart grace; undefined: no grace. */
  readonly graceEndsUnixMs: number | undefined;
  /** Number of engaged brakes, and of silent workers in their groups. */
  readonly brakes: number;
  readonly silent: number;
}

/** Over active workers, as the alerts thread counts them; zeros while nothing is scored, or alerts are off. */
export interface AnomalyFigures {
  readonly scored: number;
  /** Of these, how many have a score of at least 0.5. */
  readonly anomalous: number;
}

/**
 * Heartbeats since the start, including those of removed workers; the counts never decrease. Each accepted heartbeat is
 * eventually in one of the others, when its lane has processed it.
 */
export interface HeartbeatTotals {
  readonly accepted: number;
  readonly applied: number;
  readonly replacedBy: Readonly<Record<ReplacementReason, number>>;
  /** All rejections of a worker within 250 ms count under the cause of the last. */
  readonly rejectedBy: Readonly<Record<RejectionCause, number>>;
  readonly lostBy: Readonly<Record<FaultCause, number>>;
  /** Not processed when their worker was removed. */
  readonly forgotten: number;
}

/** The same with what concerns their arrival. */
export interface ArrivalTotals extends HeartbeatTotals {
  readonly acceptedBy: Readonly<Record<Transport, number>>;
  /** Not accepted, and in none of the others. */
  readonly refusedBy: Readonly<Record<HeartbeatRefusal, number>>;
  /** How often heartbeats of a worker were missing, by their sequence numbers, when a later one arrived. */
  readonly gaps: number;
}

export interface MainGauges {
  /** Delay of main's 250 ms timer in the last 10 s, average and maximum. */
  readonly loopDelayMs: { readonly mean: number; readonly max: number };
  /** Open gRPC connections, and heartbeat streams on them. */
  readonly connections: number;
  readonly streams: number;
  readonly lanes: Readonly<Record<LaneKind, Readonly<Record<LaneState, number>>>>;
  /** Age of the oldest heartbeat that a lane has not processed, the longest of the last 10 s; without quarantined lanes. */
  readonly laneLagMs: Readonly<Record<LaneKind, number>>;
  /** Threads that were terminated but still run. */
  readonly threadsLeftBehind: number;
}

/** Of all workers since the start, also of removed ones: from each state to each, or until the worker was removed. */
export type TransitionCounts = Readonly<Record<WorkerState, Readonly<Record<WorkerState | 'gone', number>>>>;
export const STATES_AND_GONE = [...WORKER_STATES, 'gone'] as const;

export interface MasterFigures {
  /** When the figures were written, by the monotonic clock; 0: not yet. */
  readonly writtenMonotonicMs: number;
  readonly attentive: AttentiveTime;
  readonly holds: HoldFigures;
  readonly anomalies: AnomalyFigures;
  readonly totals: ArrivalTotals;
  readonly gauges: MainGauges;
  readonly transitions: TransitionCounts;
  /** Unexpected ends of lanes' threads since the start. */
  readonly laneFailures: Readonly<Record<FaultCause, number>>;
  readonly applyTimes: ApplyTimes;
}

/** Main updates its clock four times a second; after twice that interval without an update it may be blocked. */
const LONGEST_BETWEEN_MS = 500;

/**
 * The current attentive time, as far as another thread can know: it stops while main may be blocked. When main
 * continues, it may turn out to have been up to half a second earlier; callers that need a monotonic value keep the
 * maximum.
 */
export function attentiveMs({ writtenMonotonicMs, attentive }: MasterFigures, nowMonotonicMs: number): number {
  return Math.min(nowMonotonicMs, writtenMonotonicMs + LONGEST_BETWEEN_MS) - attentive.offsetMs;
}

/** Called only by main. @param words and `numbers` of the board */
export function writeFigures(words: Int32Array, numbers: Float64Array, figures: MasterFigures): void {
  const { attentive, holds, anomalies, totals, gauges, transitions, laneFailures, applyTimes } = figures;
  const at = BOARD_FIGURES[beginWrite(words, BoardWord.figuresGeneration)];
  numbers[at + FigureNumber.writtenMonotonicMs] = figures.writtenMonotonicMs;
  numbers[at + FigureNumber.attentiveOffsetMs] = attentive.offsetMs;
  numbers[at + FigureNumber.mayJudge] = Number(attentive.mayJudge);
  numbers[at + FigureNumber.graceEndsUnixMs] = holds.graceEndsUnixMs ?? 0;
  numbers[at + FigureNumber.brakes] = holds.brakes;
  numbers[at + FigureNumber.silent] = holds.silent;
  numbers[at + FigureNumber.scoredWorkers] = anomalies.scored;
  numbers[at + FigureNumber.anomalousWorkers] = anomalies.anomalous;
  writeNames(numbers, at + FigureNumber.accepted, TRANSPORTS, totals.acceptedBy);
  writeNames(numbers, at + FigureNumber.refused, HEARTBEAT_REFUSALS, totals.refusedBy);
  numbers[at + FigureNumber.gaps] = totals.gaps;
  numbers[at + FigureNumber.applied] = totals.applied;
  numbers[at + FigureNumber.forgotten] = totals.forgotten;
  writeNames(numbers, at + FigureNumber.replaced, REPLACEMENT_REASONS, totals.replacedBy);
  writeNames(numbers, at + FigureNumber.rejected, REJECTION_CAUSES, totals.rejectedBy);
  writeNames(numbers, at + FigureNumber.lost, FAULT_CAUSES, totals.lostBy);
  numbers[at + FigureNumber.loopDelayMeanMs] = gauges.loopDelayMs.mean;
  numbers[at + FigureNumber.loopDelayMaxMs] = gauges.loopDelayMs.max;
  numbers[at + FigureNumber.connections] = gauges.connections;
  numbers[at + FigureNumber.streams] = gauges.streams;
  numbers[at + FigureNumber.threadsLeftBehind] = gauges.threadsLeftBehind;
  writeTable(numbers, at + FigureNumber.lanes, LANE_KINDS, LANE_STATES, gauges.lanes);
  writeNames(numbers, at + FigureNumber.laneLagMs, LANE_KINDS, gauges.laneLagMs);
  writeNames(numbers, at + FigureNumber.laneFailures, FAULT_CAUSES, laneFailures);
  writeTable(numbers, at + FigureNumber.transitions, WORKER_STATES, STATES_AND_GONE, transitions);
  numbers[at + FigureNumber.applySeconds] = applyTimes.sumSeconds;
  numbers.set(applyTimes.counts, at + FigureNumber.applyCounts);
  endWrite(words, BoardWord.figuresGeneration);
}

/** All zeros before the first write. */
export function readFigures(words: Int32Array, numbers: Float64Array): MasterFigures {
  const copy = wholeCopy(words, numbers);
  const at = (index: number) => copy[index] as number;
  const graceEndsUnixMs = at(FigureNumber.graceEndsUnixMs);
  const acceptedBy = readNames(copy, FigureNumber.accepted, TRANSPORTS);
  return {
    writtenMonotonicMs: at(FigureNumber.writtenMonotonicMs),
    attentive: { offsetMs: at(FigureNumber.attentiveOffsetMs), mayJudge: at(FigureNumber.mayJudge) === 1 },
    holds: {
      graceEndsUnixMs: graceEndsUnixMs === 0 ? undefined : graceEndsUnixMs,
      brakes: at(FigureNumber.brakes),
      silent: at(FigureNumber.silent),
    },
    anomalies: { scored: at(FigureNumber.scoredWorkers), anomalous: at(FigureNumber.anomalousWorkers) },
    totals: {
      accepted: Object.values(acceptedBy).reduce((sum, count) => sum + count, 0),
      acceptedBy,
      refusedBy: readNames(copy, FigureNumber.refused, HEARTBEAT_REFUSALS),
      gaps: at(FigureNumber.gaps),
      applied: at(FigureNumber.applied),
      replacedBy: readNames(copy, FigureNumber.replaced, REPLACEMENT_REASONS),
      rejectedBy: readNames(copy, FigureNumber.rejected, REJECTION_CAUSES),
      lostBy: readNames(copy, FigureNumber.lost, FAULT_CAUSES),
      forgotten: at(FigureNumber.forgotten),
    },
    gauges: {
      loopDelayMs: { mean: at(FigureNumber.loopDelayMeanMs), max: at(FigureNumber.loopDelayMaxMs) },
      connections: at(FigureNumber.connections),
      streams: at(FigureNumber.streams),
      lanes: readTable(copy, FigureNumber.lanes, LANE_KINDS, LANE_STATES),
      laneLagMs: readNames(copy, FigureNumber.laneLagMs, LANE_KINDS),
      threadsLeftBehind: at(FigureNumber.threadsLeftBehind),
    },
    transitions: readTable(copy, FigureNumber.transitions, WORKER_STATES, STATES_AND_GONE),
    laneFailures: readNames(copy, FigureNumber.laneFailures, FAULT_CAUSES),
    applyTimes: {
      counts: copy.subarray(FigureNumber.applyCounts, FigureNumber.applyCounts + APPLY_BUCKETS),
      sumSeconds: at(FigureNumber.applySeconds),
    },
  };
}

function wholeCopy(words: Int32Array, numbers: Float64Array): Float64Array {
  for (let tries = 0; tries < MAX_READ_TRIES; tries++) {
    const generation = beginRead(words, BoardWord.figuresGeneration);
    const from = BOARD_FIGURES[currentCopy(generation)];
    const copy = numbers.slice(from, from + FIGURE_COUNT);
    if (isWhole(words, BoardWord.figuresGeneration, generation)) return copy;
  }
  throw new Error(`the board’s figures changed ${MAX_READ_TRIES} times while they were read`);
}

function writeNames<K extends string>(
  numbers: Float64Array,
  from: number,
  names: readonly K[],
  values: Readonly<Record<K, number>>,
): void {
  for (let index = 0; index < names.length; index++) numbers[from + index] = values[names[index] as K];
}

function readNames<K extends string>(numbers: Float64Array, from: number, names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name, index) => [name, numbers[from + index]])) as Record<K, number>;
}

function writeTable<R extends string, C extends string>(
  numbers: Float64Array,
  from: number,
  rows: readonly R[],
  columns: readonly C[],
  values: Readonly<Record<R, Readonly<Record<C, number>>>>,
): void {
  for (let row = 0; row < rows.length; row++) {
    writeNames(numbers, from + row * columns.length, columns, values[rows[row] as R]);
  }
}

function readTable<R extends string, C extends string>(
  numbers: Float64Array,
  from: number,
  rows: readonly R[],
  columns: readonly C[],
): Record<R, Record<C, number>> {
  const read = rows.map((name, row) => [name, readNames(numbers, from + row * columns.length, columns)]);
  return Object.fromEntries(read) as Record<R, Record<C, number>>;
}

/** Zero for each name of a row and each of a column. */
export function noneOfTable<R extends string, C extends string>(
  rows: readonly R[],
  columns: readonly C[],
): Record<R, Record<C, number>> {
  return Object.fromEntries(rows.map((name) => [name, noneOf(columns)])) as Record<R, Record<C, number>>;
}

/** Zero for each name. */
export function noneOf<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
