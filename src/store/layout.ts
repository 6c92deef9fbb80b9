/**
 * The layout of all shared memory. No other file contains byte offsets or word indices.
 *
 * Control words are 32-bit and accessed only through Atomics. All counts wrap at 2^32 and are compared by difference.
 *
 * BOARD, one in all; written only by the main thread.
 *
 *     0                256                                             +128          …
 *     ┌────────────────┬───────────┬───────────┬─────────────────┬─────────────────┬───┐
 *     │ header words   │ figures A │ figures B │ row 0           │ row 1           │ … │
 *     └────────────────┴───────────┴───────────┴─────────────────┴─────────────────┴───┘
 *
 * SLOT, one per worker; written only by its lane.
 *
 *     0               256          832                                               ringOffset
 *     ┌───────────────┬──────┬──────┬───────────────────────────┬───────────────────┬───────┬────┬───┬─────┬───────┬────┬────────┬──────┐
 *     │ control words │note A│note B│record A                   │record B           │times  │cpu │ … │tasks│metrics│keys│task log│scores│
 *     │               │      │      │numbers│progress│JSON bytes│ (the same)        │f64,u32│f32 │   │u32  │f64    │text│bytes   │      │
 *     └───────────────┴──────┴──────┴───────────────────────────┴───────────────────┴───────┴────┴───┴─────┴───────┴────┴────────┴──────┘
 *                                                    ◄─ jsonCapacity                   ◄─── ringCapacity each ──►
 *
 * Scores, if samples are scored (ANOMALIES): score A, score B, kept state, a state for each usage and each column of a metric.
 */

import { STATE_BYTES } from '../model/anomaly/state.ts';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../model/lanes.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { HEARTBEAT_REFUSALS, TRANSPORTS } from '../model/transports.ts';
import { APPLY_BUCKETS } from './apply-times.ts';

export const WORD_BYTES = 4;
const CACHE_LINE_BYTES = 64;
export const NUMBER_BYTES = 8;

/** First word of each kind of memory, so that a wrong buffer is detected when it is attached. */
export const BOARD_MAGIC = 0x504c4244; // PLBD
export const SLOT_MAGIC = 0x504c534c; // PLSL
export const LAYOUT_VERSION = 16;

// ── board ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Words of the board's header. */
export const BoardWord = {
  magic: 0,
  version: 1,
  /** Number of rows. */
  capacity: 2,
  /** Rows from this one on were never used. */
  rowsUsed: 3,
  /** Main's beat: centiseconds since the board was created. Old if main is stuck. */
  beatCs: 4,
  /** Rows in use. */
  workers: 5,
  /** Rows with `isActive`. */
  activeWorkers: 6,
  /** Heartbeats accepted since the start, including those of removed workers. */
  heartbeats: 7,
  /** Recent heartbeats per second, in hundredths. */
  heartbeatRateCentiHz: 8,
  /** Number of changes of the highest bit of `heartbeats`: one every 12 days at 2,000 per second. */
  heartbeatHalves: 9,
  /** Generation of the figures, see master-figures.ts. */
  figuresGeneration: 10,
  /** Four random words that identify this run of the master, written once before the board is shared. */
  bootId: 12,
} as const;
export const BOOT_ID_WORDS = 4;

/** Float64 in the header, written once before the board is shared: monotonic time of the board's creation, in ms. */
export const BOARD_EPOCH_NUMBER = 16;
/** The same for the wall clock: Unix ms of the start, from which the master's counts begin. */
export const BOARD_STARTED_NUMBER = 17;
const BOARD_WORDS_BYTES = 256;

/** What each copy of the figures has, with how many numbers (Float64). */
const FIGURES = {
  writtenMonotonicMs: 1,
  attentiveOffsetMs: 1,
  mayJudge: 1,
  /** 0: no grace. */
  graceEndsUnixMs: 1,
  brakes: 1,
  silent: 1,
  scoredWorkers: 1,
  anomalousWorkers: 1,
  loopDelayMeanMs: 1,
  loopDelayMaxMs: 1,
  connections: 1,
  streams: 1,
  threadsLeftBehind: 1,
  /** For each kind one number per state. */
  lanes: LANE_KINDS.length * LANE_STATES.length,
  laneLagMs: LANE_KINDS.length,
  laneFailures: FAULT_CAUSES.length,
  accepted: TRANSPORTS.length,
  refused: HEARTBEAT_REFUSALS.length,
  applied: 1,
  forgotten: 1,
  gaps: 1,
  replaced: REPLACEMENT_REASONS.length,
  rejected: REJECTION_CAUSES.length,
  lost: FAULT_CAUSES.length,
  /** For each state one number per state, and one for the removal of the worker. */
  transitions: WORKER_STATES.length * (WORKER_STATES.length + 1),
  applySeconds: 1,
  applyCounts: APPLY_BUCKETS,
} as const;
/** Index of the first number of each. */
export const FigureNumber = firstNumbers(FIGURES);
/** Whole cache lines. */
const FIGURES_BYTES = roundUp(sumOf(Object.values(FIGURES)) * NUMBER_BYTES, CACHE_LINE_BYTES);
export const FIGURE_COUNT = FIGURES_BYTES / NUMBER_BYTES;
/** Index of the first number of each copy. */
export const BOARD_FIGURES = [
  BOARD_WORDS_BYTES / NUMBER_BYTES,
  (BOARD_WORDS_BYTES + FIGURES_BYTES) / NUMBER_BYTES,
] as const;
export const BOARD_HEADER_BYTES = BOARD_WORDS_BYTES + 2 * FIGURES_BYTES;

/** Words of a row. Each is consistent by itself; a row as a whole is not. */
export const RowWord = {
  /**
   * Number of the row's occupant, from 1; 0, or the last one negated, if free. A slot belongs to the row only while the
   * two agree.
   */
  occupant: 0,
  /** Unix seconds of the last accepted heartbeat, or of the registration. */
  lastUpdateS: 1,
  /** 1 or 0: `is_active` as published. */
  isActive: 2,
  /** Index into WORKER_STATES. */
  state: 3,
  /** Index into STATE_CAUSES. */
  cause: 4,
  /** Unix seconds at which it entered its state. */
  stateSinceS: 5,
  /** Monotonic time of the last heartbeat, in centiseconds since the board was created; wraps after 497 days. */
  receiptCs: 6,
  registeredS: 7,
  /** Heartbeat interval in ms, as far as main knows. */
  intervalMs: 8,
  /** How far its clock is ahead, in ms: the low half, see `skewHigh`. */
  skewMs: 9,
  /** Bits of RowFlag. */
  flags: 10,
  /** Index into STUCK_REASONS, plus 1; 0 = not stuck. */
  stuck: 11,
  /** Number of restarts. */
  restarts: 12,
  /** Heartbeats that were sent but never arrived: the low half, see `missedHigh`. */
  missed: 13,
  /** Accepted heartbeats; of these: */
  accepted: 14,
  /** … replaced by a newer one: a word per REPLACEMENT_REASONS. */
  replaced: 15,
  /** … in process when their lane failed: a word per FAULT_CAUSES. */
  lost: 21,
  /** Number of the lane that serves the worker. */
  lane: 25,
  /** Index into LANE_KINDS. */
  laneKind: 26,
  /** Index into LANE_STATES. */
  laneState: 27,
  laneRestarts: 28,
  /** High halves of numbers that a worker can make arbitrarily large; HIGH_CHANGES while both halves change. */
  missedHigh: 29,
  skewHigh: 30,
  /** Incremented after each change that could be undone without a heartbeat; continues with the row's next occupant. */
  version: 31,
  /** The first free word. */
  end: 32,
} as const;

export const RowFlag = { flapping: 1, conflict: 2 } as const;
/** High half while both halves change. Numbers are at most ±(2^53 - 1), so no real high half has this value. */
export const HIGH_CHANGES = -0x80000000;
/** High half of a skew that was never measured. */
export const NO_SKEW_HIGH = 0x7fffffff;
export const ROW_BYTES = 128;

export function boardBytes(rows: number): number {
  return BOARD_HEADER_BYTES + rows * ROW_BYTES;
}

/** Index of a row's word in the board as Int32Array. */
export function rowWordIndex(row: number, word: number): number {
  return (BOARD_HEADER_BYTES + row * ROW_BYTES) / WORD_BYTES + word;
}

// ── slot ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Control words of a slot. */
export const SlotWord = {
  magic: 0,
  version: 1,
  /** Capacity for JSON of one copy of the record, in bytes. */
  jsonCapacity: 2,
  /** Capacity of the ring in samples: a power of two, or 0. */
  ringCapacity: 3,
  /** Number of workers that have used this memory, see slot-shelf.ts. Changed by main while no worker uses it. */
  tenancy: 4,
  /** Number of the first sample written to this memory's ring; earlier ones were elsewhere, or nowhere. */
  ringFrom: 5,
  /** Number of columns for metrics that not every worker has … */
  metricColumns: 6,
  /** … and how many of them have a key. */
  metricKeys: 7,
  taskLogCapacity: 8,
  /** 1: samples are scored, see score-writer.ts. */
  isScored: 9,
  /**
   * Generation of the record's seqlock, see double-buffer.ts. On its own cache line, since readers write to it (adding
   * 0).
   */
  recordGeneration: 16,
  /** Generation of the note's seqlock. */
  noteGeneration: 17,
  /** … and of the newest score's. */
  scoreGeneration: 18,
  /** Ordinal of the last heartbeat that the lane took. */
  taken: 32,
  /** Ordinal of the last heartbeat that it finished. If it differs from `taken`, one is in process. */
  finished: 33,
  /** Heartbeats applied, which is also the number of samples ever written: its increment publishes the sample. */
  applied: 34,
  rejected: 35,
  /** Values of such metrics without a column, counted while samples are kept. */
  metricsLeftOut: 36,
  /** Number of columns that its metrics need, at most HISTORY_METRICS; larger than `metricColumns` while there is no memory for them. */
  columnsWanted: 37,
  /** Position of the oldest readable byte of the task log, see task-log.ts. */
  taskLogFloor: 40,
  /** Increases at the begin and at the end of each change of a metric's state: odd while one changes, see score-writer.ts … */
  stateGeneration: 41,
  /** … and which one: its place among the states. */
  changedState: 42,
} as const;
export const SLOT_CONTROL_BYTES = 256;

/**
 * Numbers (Float64) at the start of each copy of the note, which describes the last rejected heartbeat; `cause` is an
 * index into REJECTION_CAUSES.
 */
export const NoteNumber = { ordinal: 0, rejectedIndex: 1, atUnixMs: 2, textBytes: 3, cause: 4, sequence: 5 } as const;
export const NOTE_NUMBER_COUNT = 6;
/** Room for two lines of text and the numbers; two notes take a multiple of a cache line. */
const NOTE_BYTES = 288;
export const NOTE_TEXT_BYTES = NOTE_BYTES - NOTE_NUMBER_COUNT * NUMBER_BYTES;

/** Numbers (Float64) at the start of each copy of the record. */
export const RecordNumber = {
  /** Ordinal of its heartbeat; 0 = none applied yet, −1 = restored from an earlier master. */
  ordinal: 0,
  /** Value of `applied` with this record: lets a successor complete what a killed lane had begun. */
  appliedIndex: 1,
  cpuUsage: 2,
  memoryUsage: 3,
  storageUsage: 4,
  gpuUsage: 5,
  runningTasks: 6,
  jsonBytes: 7,
  /** When the master received it. */
  receivedUnixMs: 8,
  receivedMonotonicMs: 9,
  /** When it became readable. */
  publishedMonotonicMs: 10,
  sequence: 11,
  sentAtUnixMs: 12,
  hostLoopLagMs: 13,
  lastRoundTripMs: 14,
  /** Time of the least recent progress of any running task (monotonic clock); 0 = no task reports progress. */
  taskStoodStillSinceMs: 15,
  /** Bits of SampleFlag. */
  sampleFlags: 16,
  /** Position behind the last entry of the task log with this record, modulo 2^32 … */
  taskLogEnd: 17,
  /** … and number of entries so far, modulo 2^32. */
  taskOrdinal: 18,
  /** Time since the heartbeat before it, see model/anomaly/heartbeat-interval.ts; NaN: not to be scored. */
  heartbeatIntervalS: 19,
} as const;
/** A copy of the record fills whole cache lines, so some are free. */
export const RECORD_NUMBER_COUNT = 24;

/**
 * Numbers (Float64) of the progress table, which follows those of each copy of the record: the number of entries, and
 * for each task a hash of its id, its progress, and the time since which it has that progress. Part of the record, so
 * that a killed lane leaves either the table of the last record or the one before it.
 */
export const ProgressNumber = { count: 0, first: 1 } as const;
export const PROGRESS_ENTRY_NUMBERS = 3;
/** Fits in 512 bytes. */
export const PROGRESS_ENTRIES = 21;
const PROGRESS_NUMBERS = ProgressNumber.first + PROGRESS_ENTRIES * PROGRESS_ENTRY_NUMBERS;
/** Offset from the first number of a copy of the record to its progress table. */
export const PROGRESS_OFFSET_NUMBERS = RECORD_NUMBER_COUNT;
/** Length of a copy of the record without its JSON. */
export const RECORD_NUMBERS_WITH_PROGRESS = RECORD_NUMBER_COUNT + PROGRESS_NUMBERS;
export const RECORD_HEAD_BYTES = RECORD_NUMBERS_WITH_PROGRESS * NUMBER_BYTES;

/** Columns of the ring that are taken from the record. */
export const RING_USAGES = ['cpuUsage', 'memoryUsage', 'storageUsage', 'gpuUsage'] as const;

/** What of the record is scored, in the order of the states. */
export const SCORED_NUMBERS = [...RING_USAGES, 'runningTasks', 'heartbeatIntervalS'] as const;

/** Numbers (Float64) of each copy of the newest score: one cache line. */
export const ScoreNumber = {
  /** Value of `applied` with its sample; 0: there is no score yet. */
  appliedIndex: 0,
  receivedUnixMs: 1,
  /** As in the ring, see score-word.ts. */
  word: 2,
  usual: 3,
  ratio: 4,
  value: 5,
  samples: 6,
} as const;
const SCORE_BYTES = CACHE_LINE_BYTES;
export const SCORE_NUMBERS = SCORE_BYTES / NUMBER_BYTES;

/** One word holds the number of running tasks, of which a heartbeat has at most 50,000, and above it the sample's flags. */
export const RING_TASK_BITS = 24;

/** Room for a metric's key: its length in bytes as a word, and its text in UTF-8. */
export const METRIC_KEY_BYTES = 136;
export const METRIC_TEXT_BYTES = METRIC_KEY_BYTES - WORD_BYTES;

export interface SlotSize {
  /** A multiple of 64. */
  readonly jsonCapacity: number;
  /** See slot-ring.ts. */
  readonly ringCapacity: number;
  readonly metricColumns: number;
  /** In bytes: a power of two, or 0. See task-log.ts. */
  readonly taskLogCapacity: number;
  /** Whether samples are scored: the same for all slots of a master (ANOMALIES). */
  readonly isScored: boolean;
}

export type Copy = 0 | 1;

/** Byte offsets within a slot of the given size. */
export interface SlotOffsets {
  readonly note: readonly [number, number];
  readonly noteText: readonly [number, number];
  readonly record: readonly [number, number];
  readonly json: readonly [number, number];
  /** Receipt times by the wall clock … */
  readonly ringTimes: number;
  /** … and by the monotonic clock, in whole ms modulo 2^32: see slot-reader.ts. */
  readonly ringMonotonic: number;
  readonly ringUsages: readonly number[];
  /** Running tasks and flags. */
  readonly ringTasks: number;
  /** See score-word.ts. */
  readonly ringScore: number;
  /** What is usual for the metric of the cause. */
  readonly ringUsual: number;
  readonly ringMetrics: readonly number[];
  readonly metricKeys: number;
  readonly taskLog: number;
  readonly score: readonly [number, number];
  /** A metric's state as it was, while it changes. */
  readonly keptState: number;
  /** States of {@link SCORED_NUMBERS}, then of the columns of metrics. */
  readonly states: number;
  readonly totalBytes: number;
}

export function slotOffsets(size: SlotSize): SlotOffsets {
  const { jsonCapacity, ringCapacity, metricColumns, taskLogCapacity, isScored } = size;
  const recordBytes = RECORD_HEAD_BYTES + jsonCapacity;
  const records = SLOT_CONTROL_BYTES + 2 * NOTE_BYTES;
  const ringTimes = records + 2 * recordBytes;
  const ringMonotonic = ringTimes + ringCapacity * NUMBER_BYTES;
  const columnBytes = ringCapacity * WORD_BYTES;
  const usages = ringMonotonic + columnBytes;
  const ringTasks = usages + RING_USAGES.length * columnBytes;
  const ringScore = ringTasks + columnBytes;
  const ringUsual = ringScore + (isScored ? columnBytes : 0);
  const metrics = roundUp(ringUsual + (isScored ? columnBytes : 0), NUMBER_BYTES);
  const metricKeys = metrics + metricColumns * ringCapacity * NUMBER_BYTES;
  const taskLog = roundUp(metricKeys + metricColumns * METRIC_KEY_BYTES, NUMBER_BYTES);
  const score = roundUp(taskLog + taskLogCapacity, CACHE_LINE_BYTES);
  const keptState = score + 2 * SCORE_BYTES;
  const states = keptState + STATE_BYTES;
  return {
    note: [SLOT_CONTROL_BYTES, SLOT_CONTROL_BYTES + NOTE_BYTES],
    noteText: [
      SLOT_CONTROL_BYTES + NOTE_NUMBER_COUNT * NUMBER_BYTES,
      SLOT_CONTROL_BYTES + NOTE_BYTES + NOTE_NUMBER_COUNT * NUMBER_BYTES,
    ],
    record: [records, records + recordBytes],
    json: [records + RECORD_HEAD_BYTES, records + recordBytes + RECORD_HEAD_BYTES],
    ringTimes,
    ringMonotonic,
    ringUsages: RING_USAGES.map((_, column) => usages + column * columnBytes),
    ringTasks,
    ringScore,
    ringUsual,
    ringMetrics: Array.from({ length: metricColumns }, (_, column) => metrics + column * ringCapacity * NUMBER_BYTES),
    metricKeys,
    taskLog,
    score: [score, score + SCORE_BYTES],
    keptState,
    states,
    totalBytes: isScored ? roundUp(states + stateCount(size) * STATE_BYTES, CACHE_LINE_BYTES) : score,
  };
}

export function slotBytes(size: SlotSize): number {
  return slotOffsets(size).totalBytes;
}

/** Metrics with a state, see score-writer.ts. */
export function stateCount({ metricColumns }: Pick<SlotSize, 'metricColumns'>): number {
  return SCORED_NUMBERS.length + metricColumns;
}

/** The parts of a slot that are counted against RING_MEMORY. */
export type RingSize = Pick<SlotSize, 'ringCapacity' | 'metricColumns'> &
  Partial<Pick<SlotSize, 'taskLogCapacity' | 'isScored'>>;

/** What its samples, the states of its metrics and its task log take. */
export function ringBytes({ ringCapacity, metricColumns, taskLogCapacity = 0, isScored = false }: RingSize): number {
  const words = RING_USAGES.length + 2 + (isScored ? 2 : 0);
  const sampleBytes = NUMBER_BYTES + words * WORD_BYTES + metricColumns * NUMBER_BYTES;
  const columnBytes = METRIC_KEY_BYTES + (isScored ? STATE_BYTES : 0);
  return ringCapacity * sampleBytes + metricColumns * columnBytes + taskLogCapacity;
}

/** Room for four tasks and a few metrics; larger records make the slot grow. */
export const LEAST_JSON_CAPACITY = 1024;

/**
 * The capacity for a record of `jsonBytes`: a quarter more, so that a growing record does not resize the slot each
 * time.
 */
export function jsonCapacityFor(jsonBytes: number): number {
  return Math.max(LEAST_JSON_CAPACITY, roundUp(Math.ceil(jsonBytes * 1.25), CACHE_LINE_BYTES));
}

function firstNumbers<K extends string>(counts: Readonly<Record<K, number>>): Readonly<Record<K, number>> {
  const sizes = Object.values<number>(counts);
  const firsts = Object.keys(counts).map((name, index) => [name, sumOf(sizes.slice(0, index))]);
  return Object.fromEntries(firsts) as Record<K, number>;
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

// ── checks of the layout ─────────────────────────────────────────────────────────────────────────────────────────

function assertLayout(holds: boolean, what: string): void {
  if (!holds) throw new Error(`shared memory layout: ${what}`);
}

function assertDistinct(words: Readonly<Record<string, number>>, limit: number, what: string): void {
  const indices = Object.values(words);
  assertLayout(new Set(indices).size === indices.length, `two ${what} share an index`);
  assertLayout(
    indices.every((index) => index >= 0 && index < limit),
    `a ${what} lies outside`,
  );
}

assertDistinct(BoardWord, (BOARD_EPOCH_NUMBER * NUMBER_BYTES) / WORD_BYTES, 'board words');
assertLayout((BOARD_STARTED_NUMBER + 1) * NUMBER_BYTES <= BOARD_WORDS_BYTES, 'the start lies outside the header');
assertLayout(
  (BoardWord.bootId + BOOT_ID_WORDS) * WORD_BYTES <= BOARD_EPOCH_NUMBER * NUMBER_BYTES,
  'the boot id lies outside',
);
assertLayout(BOARD_HEADER_BYTES % CACHE_LINE_BYTES === 0, 'rows do not start on a cache line');
assertLayout(ROW_BYTES % CACHE_LINE_BYTES === 0, 'rows share a cache line');
assertDistinct(RowWord, ROW_BYTES / WORD_BYTES + 1, 'row words');
assertLayout(RowWord.end * WORD_BYTES <= ROW_BYTES, 'a row word lies outside');
assertLayout(RowWord.replaced + REPLACEMENT_REASONS.length === RowWord.lost, 'reasons of replacement do not fit');
assertLayout(RowWord.lost + FAULT_CAUSES.length === RowWord.lane, 'causes of loss do not fit');
assertDistinct(SlotWord, SLOT_CONTROL_BYTES / WORD_BYTES, 'slot words');
assertDistinct(NoteNumber, NOTE_NUMBER_COUNT, 'note numbers');
assertDistinct(RecordNumber, RECORD_NUMBER_COUNT, 'record numbers');
assertDistinct(ScoreNumber, SCORE_NUMBERS, 'score numbers');
assertLayout(STATE_BYTES <= 64, 'the state of a metric takes more than 64 bytes');
assertLayout(RECORD_HEAD_BYTES % CACHE_LINE_BYTES === 0, 'the JSON of a record does not start on a cache line');
for (const offsets of [
  slotOffsets({
    jsonCapacity: LEAST_JSON_CAPACITY,
    ringCapacity: 4,
    metricColumns: 4,
    taskLogCapacity: 1024,
    isScored: true,
  }),
]) {
  assertLayout(
    offsets.record.every((offset) => offset % CACHE_LINE_BYTES === 0),
    'a record is not on a cache line',
  );
  assertLayout(offsets.ringTimes % NUMBER_BYTES === 0, 'the ring is not aligned');
  assertLayout(offsets.taskLog % NUMBER_BYTES === 0, 'the task log is not aligned');
  assertLayout(offsets.score[0] % CACHE_LINE_BYTES === 0, 'a score is not on a cache line');
  assertLayout(
    offsets.ringMetrics.every((offset) => offset % NUMBER_BYTES === 0),
    'a column of a metric is not aligned',
  );
}
