/**
 * The reading side of a slot, for any number of threads: never waits, never sees a partial write (double-buffer.ts),
 * may be a moment behind, and reads only the worker whose slot the memory was when the reader was created
 * (slot-shelf.ts).
 */
import type { AnomalyReason } from '../model/anomaly/reason.ts';
import { REJECTION_CAUSES, type RejectionCause } from '../model/lanes.ts';
import { BEHIND_TASKS_BEGIN } from '../model/record-json.ts';
import { SampleFlag } from '../model/sample-flags.ts';
import type { RunningTask } from '../model/telemetry.ts';
import { beginRead, currentCopy, isWhole, MAX_READ_TRIES } from './double-buffer.ts';
import {
  NOTE_TEXT_BYTES,
  NoteNumber,
  NUMBER_BYTES,
  RecordNumber,
  RING_TASK_BITS,
  ScoreNumber,
  type SlotSize,
  SlotWord,
  WORD_BYTES,
} from './layout.ts';
import { tasksInHead } from './record-tasks.ts';
import { type SampleColumns, USAGE_KEYS, type UsageKey } from './sample-columns.ts';
import { type NamedCause, NO_SCORE, namedCauseIn, scoreIn } from './score-word.ts';
import { shortestDecimal } from './shortest-decimal.ts';
import { metricKeysIn, type SlotMemory, type SlotViews, viewSlot } from './slot-memory.ts';
import type { RecordNumbers } from './slot-writer.ts';
import { entryLengthAt, readEntry, type TaskEntry } from './task-entry.ts';
import { type TaskLogEnd, taskLogEndIn } from './task-log.ts';

export interface Rejection {
  readonly cause: RejectionCause;
  readonly reason: string;
  readonly atUnixMs: number;
  /** Which of the worker's rejections it is, modulo 2^32; the first is 1. {@link SlotReader.rejected} may be one behind. */
  readonly index: number;
  /** The rejected heartbeat's number in the worker's mailbox … */
  readonly ordinal: number;
  /** … and its sequence number; 0 = none, or unreadable. */
  readonly sequence: number;
}

export interface TaskEntries {
  /** In order, without a gap. */
  readonly entries: readonly TaskEntry[];
  /** From where to go on. */
  readonly end: TaskLogEnd;
  /** Entries before the first of them that are overwritten. */
  readonly lost: number;
}

export interface TasksNow {
  /** The record's sample. */
  readonly sample: number;
  readonly receivedUnixMs: number;
  readonly tasks: readonly RunningTask[];
  readonly end: TaskLogEnd;
}

/** How unusual a sample is. */
export interface SlotScore {
  /** When the sample was received. */
  readonly receivedUnixMs: number;
  /** 0: as usual; 1: certainly not. In hundredths. */
  readonly score: number;
  /** Of a score of at least 0.5. */
  readonly cause: (AnomalyReason & NamedCause) | undefined;
}

export interface SlotCounts {
  readonly applied: number;
  readonly rejected: number;
}

/**
 * Scratch memory of this thread, converted to a string before other code runs. Fits records of a few hundred tasks; for
 * larger ones memory is allocated each time, which is cheap compared with creating so large a string.
 */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** The memory belongs to another worker by now: this one was removed, and its reader has not been told yet. */
export class SlotGone extends Error {
  constructor() {
    super('the worker was removed, and its memory belongs to another worker');
  }
}

/** A pace is known after so many samples. */
const LEAST_SAMPLES_OF_A_PERIOD = 8;

const BEHIND_TASKS = Buffer.from(BEHIND_TASKS_BEGIN);

/** `]` */
const CLOSING_BRACKET = 0x5d;

export class SlotReader {
  readonly #slot: SlotViews;
  readonly #tenancy: number;
  /** Keys of metrics with a column, as far as samples were read. */
  #keys: readonly string[] = [];

  /** @param tenancy of the worker to read; undefined: the current one */
  constructor(memory: SlotMemory, tenancy?: number) {
    this.#slot = viewSlot(memory);
    this.#tenancy = tenancy ?? Atomics.load(this.#slot.control, SlotWord.tenancy);
  }

  get memory(): SlotMemory {
    return this.#slot.memory;
  }

  /** Identifies the worker among those that use the memory one after another. */
  get tenancy(): number {
    return this.#tenancy;
  }

  get size(): SlotSize {
    return this.#slot.size;
  }

  /** Capacity for JSON of a record, in bytes. */
  get capacityBytes(): number {
    return this.#slot.size.jsonCapacity;
  }

  /** Changes with each write: if it is unchanged, so is the record. */
  get generation(): number {
    return Atomics.load(this.#slot.control, SlotWord.recordGeneration);
  }

  /** Whether there is a record: from an applied heartbeat, or restored from an earlier master. */
  get hasRecord(): boolean {
    // The generation does not tell, since it continues when the memory is given to the next worker.
    return this.#recordNumber(RecordNumber.ordinal) !== 0;
  }

  /** Number of published records and notes, modulo 2^32: both only increase, so their sum changes with either. */
  get publications(): number {
    return ((this.generation >> 1) + (Atomics.load(this.#slot.control, SlotWord.noteGeneration) >> 1)) | 0;
  }

  /** Ordinal of the last heartbeat that the lane took. */
  get taken(): number {
    return Atomics.load(this.#slot.control, SlotWord.taken);
  }

  /** Ordinal of the last heartbeat that the lane finished. */
  get finished(): number {
    return Atomics.load(this.#slot.control, SlotWord.finished);
  }

  /** Whether its dead lane was processing a heartbeat, or writing. */
  get isInHand(): boolean {
    const { control } = this.#slot;
    const isWriting = (word: number) => (Atomics.load(control, word) & 1) === 1;
    return this.taken !== this.finished || isWriting(SlotWord.recordGeneration) || isWriting(SlotWord.noteGeneration);
  }

  counts(): SlotCounts {
    const { control } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied) >>> 0;
    const rejected = Atomics.load(control, SlotWord.rejected) >>> 0;
    this.#mustBeMine();
    return { applied, rejected };
  }

  /**
   * Copies the record's JSON head into `target` from `offset`, never at or beyond `end`. The bytes between the copied
   * ones and `end` are undefined afterwards, since a torn record may have been longer.
   * @returns the number of bytes copied; if they do not fit, minus the number needed
   */
  copyJsonHead(target: Buffer, offset: number, end = target.length): number {
    const { numbers, bytes, offsets, size } = this.#slot;
    return this.#readWhole(SlotWord.recordGeneration, (copy) => {
      const jsonBytes = numbers[offsets.record[copy] / 8 + RecordNumber.jsonBytes] as number;
      // A torn length may have any value; the second look will discard it.
      if (!isLength(jsonBytes, size.jsonCapacity)) return 0;
      if (offset + jsonBytes > end) return -jsonBytes;
      const from = offsets.json[copy];
      bytes.copy(target, offset, from, from + jsonBytes);
      return jsonBytes;
    });
  }

  /** The record's JSON head followed by `tail`, which must be ASCII. */
  json(tail: string): string {
    const room = this.#slot.size.jsonCapacity + tail.length;
    const target = room <= scratch.length ? scratch : Buffer.allocUnsafeSlow(room);
    const headBytes = this.copyJsonHead(target, 0);
    return target.toString('utf8', 0, headBytes + target.write(tail, headBytes, 'latin1'));
  }

  /** What follows the tasks in the record's JSON head, which may be most of it. */
  jsonBehindTasks(): string {
    const { numbers, bytes, offsets, size } = this.#slot;
    return this.#readWhole(SlotWord.recordGeneration, (copy) => {
      const jsonBytes = numbers[offsets.record[copy] / 8 + RecordNumber.jsonBytes] as number;
      if (!isLength(jsonBytes, size.jsonCapacity)) return '';
      const from = offsets.json[copy];
      const head = bytes.subarray(from, from + jsonBytes);
      const begin = head.indexOf(BEHIND_TASKS);
      return begin === -1 ? '' : head.toString('utf8', begin);
    });
  }

  /** The numbers of the record; undefined before the first heartbeat was applied. */
  numbers(): RecordNumbers | undefined {
    const { numbers, offsets } = this.#slot;
    const record = this.#readWhole(SlotWord.recordGeneration, (copy) => {
      const from = offsets.record[copy] / 8;
      const at = (index: number) => numbers[from + index] as number;
      return {
        ordinal: at(RecordNumber.ordinal),
        cpuUsage: at(RecordNumber.cpuUsage),
        memoryUsage: at(RecordNumber.memoryUsage),
        storageUsage: at(RecordNumber.storageUsage),
        gpuUsage: at(RecordNumber.gpuUsage),
        runningTasks: at(RecordNumber.runningTasks),
        receivedUnixMs: at(RecordNumber.receivedUnixMs),
        receivedMonotonicMs: at(RecordNumber.receivedMonotonicMs),
        publishedMonotonicMs: at(RecordNumber.publishedMonotonicMs),
        sequence: at(RecordNumber.sequence),
        sentAtUnixMs: at(RecordNumber.sentAtUnixMs),
        hostLoopLagMs: at(RecordNumber.hostLoopLagMs),
        lastRoundTripMs: at(RecordNumber.lastRoundTripMs),
        taskStoodStillSinceMs: at(RecordNumber.taskStoodStillSinceMs),
        sampleFlags: at(RecordNumber.sampleFlags),
      };
    });
    return record.ordinal === 0 ? undefined : record;
  }

  /** Size of the record as JSON, in bytes. */
  get jsonBytes(): number {
    return this.#recordNumber(RecordNumber.jsonBytes);
  }

  /**
   * Whether the record lists devices. They are its last member, and only tasks, which are never last, end in a bracket, too;
   * so one byte tells.
   */
  get listsGpus(): boolean {
    const { numbers, bytes, offsets, size } = this.#slot;
    return this.#readWhole(SlotWord.recordGeneration, (copy) => {
      const jsonBytes = numbers[offsets.record[copy] / 8 + RecordNumber.jsonBytes] as number;
      if (!isLength(jsonBytes, size.jsonCapacity)) return false;
      return bytes[offsets.json[copy] + jsonBytes - 1] === CLOSING_BRACKET;
    });
  }

  /** Number of tasks in the record. */
  get runningTasks(): number {
    return this.#recordNumber(RecordNumber.runningTasks);
  }

  /** When the master received the record's heartbeat, by the monotonic clock; 0 before the first. */
  get receivedMonotonicMs(): number {
    const { numbers, offsets } = this.#slot;
    return this.#readWhole(
      SlotWord.recordGeneration,
      (copy) => numbers[offsets.record[copy] / 8 + RecordNumber.receivedMonotonicMs] as number,
    );
  }

  /** Time of the least recent progress of any running task, by the monotonic clock. */
  get taskStoodStillSinceMs(): number | undefined {
    const sinceMs = this.#recordNumber(RecordNumber.taskStoodStillSinceMs);
    return sinceMs === 0 ? undefined : sinceMs;
  }

  /** Why and when a heartbeat was last rejected; undefined if none was. */
  lastRejection(): Rejection | undefined {
    const note = this.#note();
    if (note.ordinal === 0) return undefined;
    return {
      cause: REJECTION_CAUSES[note.cause] as RejectionCause,
      reason: note.text.toString('utf8'),
      atUnixMs: note.atUnixMs,
      index: note.index,
      ordinal: note.ordinal,
      // The memory is not trusted, and the sequence number is sent as an integer.
      sequence: Number.isSafeInteger(note.sequence) && note.sequence > 0 ? note.sequence : 0,
    };
  }

  /**
   * For the main thread when the slot's lane is dead: the ordinal of the heartbeat that was in process and left neither
   * a record nor a rejection; undefined if there is none.
   */
  unfinished(): number | undefined {
    const taken = this.taken;
    if (taken === this.finished) return undefined;
    if (this.numbers()?.ordinal === taken || this.#note().ordinal === taken) return undefined;
    return taken;
  }

  /**
   * Copies the samples from number `from` on that the ring still holds, and reports how many it no longer holds. If
   * each call starts at the `to` of the previous one, also across a change of the slot, each sample is copied or
   * counted as lost exactly once. While the ring is off, all are lost.
   * @param from modulo 2^32; 0: since the worker was known. A number beyond the newest sample copies nothing
   * @param into its previous content is lost
   * @throws SlotGone if the memory belongs to another worker
   */
  samplesSince(from: number, into: SampleColumns): void {
    const { control, size } = this.#slot;
    const mask = size.ringCapacity - 1;
    // What is published from here on may be copied partially.
    const published = Atomics.load(control, SlotWord.applied);
    const missing = (published - from) | 0;
    const held = Math.min((published - Atomics.load(control, SlotWord.ringFrom)) >>> 0, Math.max(0, mask));
    const count = missing < 0 ? 0 : Math.min(missing, held);
    const first = published - count;
    into.reserve(count, this.metricKeys);
    if (count > 0) this.#copySamples(first, count, into);
    const newestMs = count > 0 ? this.receivedMonotonicMs : 0;
    // The second look, as in double-buffer.ts: sample number `applied` may be in progress and overwrites the oldest
    // one.
    const applied = Atomics.add(control, SlotWord.applied, 0);
    // The same for the tenancy: what was read plainly before belongs to the same worker.
    Atomics.add(control, SlotWord.tenancy, 0);
    this.#mustBeMine();
    into.from = first >>> 0;
    into.to = (missing < 0 ? from : published) >>> 0;
    if (missing < 0) into.from = into.to;
    into.drop(Math.min(count, Math.max(0, (applied - mask - first) | 0)));
    whole(into.receivedMonotonicMs, into.count, newestMs);
    into.lost = (into.from - from) >>> 0;
  }

  /** The first sample that can be copied, for a reader that has copied none and wants only new ones. */
  get firstSample(): number {
    const { control } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied);
    const held = (applied - Atomics.load(control, SlotWord.ringFrom)) >>> 0;
    return (applied - Math.min(held, this.sampleCapacity)) >>> 0;
  }

  /** Number of columns that the metrics of its worker need. */
  get columnsWanted(): number {
    return Atomics.load(this.#slot.control, SlotWord.columnsWanted);
  }

  /**
   * Mean time between two samples in the ring, in ms; undefined: there are too few to tell. For the main thread, which knows that the
   * memory is the worker's; a sample that is overwritten meanwhile makes no difference worth noticing.
   */
  get samplePeriodMs(): number | undefined {
    const { control, offsets, size } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied);
    const held = Math.min((applied - Atomics.load(control, SlotWord.ringFrom)) >>> 0, this.sampleCapacity);
    if (held < LEAST_SAMPLES_OF_A_PERIOD) return undefined;
    const receivedMs = (number: number) =>
      control[offsets.ringMonotonic / WORD_BYTES + (number & (size.ringCapacity - 1))] as number;
    return ((receivedMs(applied - 1) - receivedMs(applied - held)) >>> 0) / (held - 1);
  }

  /** The number of its next sample. */
  get samplesEnd(): number {
    return Atomics.load(this.#slot.control, SlotWord.applied) >>> 0;
  }

  /** How unusual its newest scored sample is; undefined: nothing was scored yet, or samples are not scored. */
  get score(): SlotScore | undefined {
    const { numbers, offsets, size } = this.#slot;
    if (!size.isScored) return undefined;
    const { appliedIndex, receivedUnixMs, word, ...reason } = this.#readWhole(SlotWord.scoreGeneration, (copy) => {
      const at = offsets.score[copy] / NUMBER_BYTES;
      return {
        appliedIndex: numbers[at + ScoreNumber.appliedIndex] as number,
        receivedUnixMs: numbers[at + ScoreNumber.receivedUnixMs] as number,
        word: numbers[at + ScoreNumber.word] as number,
        usual: numbers[at + ScoreNumber.usual] as number,
        ratio: numbers[at + ScoreNumber.ratio] as number,
        value: numbers[at + ScoreNumber.value] as number,
        samples: numbers[at + ScoreNumber.samples] as number,
      };
    });
    const score = scoreIn(word);
    if (appliedIndex === 0 || Number.isNaN(score)) return undefined;
    const cause = namedCauseIn(word, this.metricKeys);
    return { score, receivedUnixMs, cause: cause && { ...cause, ...reason } };
  }

  /** How many samples can be copied at most. */
  get sampleCapacity(): number {
    return Math.max(0, this.#slot.size.ringCapacity - 1);
  }

  /** Keys of metrics with a column: one that is written never changes. */
  get metricKeys(): readonly string[] {
    const named = Atomics.load(this.#slot.control, SlotWord.metricKeys);
    if (named > this.#keys.length) this.#keys = [...this.#keys, ...metricKeysIn(this.#slot, this.#keys.length)];
    return this.#keys;
  }

  /** Values of metrics without a column, modulo 2^32; some may be counted twice after a lane was killed. */
  get metricsLeftOut(): number {
    return Atomics.load(this.#slot.control, SlotWord.metricsLeftOut);
  }

  #copySamples(first: number, count: number, into: SampleColumns): void {
    const { control, floats, numbers, offsets, size } = this.#slot;
    const mask = size.ringCapacity - 1;
    const times = offsets.ringTimes / NUMBER_BYTES;
    const monotonic = offsets.ringMonotonic / WORD_BYTES;
    const tasksAt = offsets.ringTasks / WORD_BYTES;
    for (let n = 0; n < count; n++) {
      const index = (first + n) & mask;
      const tasks = control[tasksAt + index] as number;
      into.receivedUnixMs[n] = numbers[times + index] as number;
      into.receivedMonotonicMs[n] = (control[monotonic + index] as number) >>> 0;
      into.flags[n] = tasks >>> RING_TASK_BITS;
      into.runningTasks[n] = tasks & ((1 << RING_TASK_BITS) - 1);
    }
    const usages = [into.cpuUsage, into.memoryUsage, into.storageUsage, into.gpuUsage];
    for (const [at, values] of usages.entries()) {
      if (into.usages?.has(USAGE_KEYS[at] as UsageKey) === false) continue;
      const from = (offsets.ringUsages[at] as number) / WORD_BYTES;
      for (let n = 0; n < count; n++) values[n] = shortestDecimal(floats[from + ((first + n) & mask)] as number);
    }
    if (into.usages?.has('anomaly_score') !== false) this.#copyScores(first, count, into);
    for (let column = 0; column < into.metricKeys.length; column++) {
      const from = (offsets.ringMetrics[column] as number) / NUMBER_BYTES;
      const values = into.metrics[column] as Float64Array;
      for (let n = 0; n < count; n++) values[n] = numbers[from + ((first + n) & mask)] as number;
    }
  }

  #copyScores(first: number, count: number, into: SampleColumns): void {
    const { control, floats, offsets, size } = this.#slot;
    if (!size.isScored) {
      into.anomalyScore.fill(Number.NaN, 0, count);
      into.scoreWords.fill(NO_SCORE, 0, count);
      return;
    }
    const words = offsets.ringScore / WORD_BYTES;
    const usual = offsets.ringUsual / WORD_BYTES;
    for (let n = 0; n < count; n++) {
      const index = (first + n) & (size.ringCapacity - 1);
      const word = control[words + index] as number;
      into.scoreWords[n] = word;
      into.anomalyScore[n] = scoreIn(word);
      into.usual[n] = floats[usual + index] as number;
    }
  }

  /**
   * The entries of the task log from `from` on that it still holds. If each call starts at the `end` of the previous one, also across
   * a change of the slot, each entry is returned or counted as lost exactly once. Entries of a sample are there as soon as the sample is.
   * @param from {@link LOG_BEGIN}: since the worker was known
   * @throws SlotGone if the memory belongs to another worker
   */
  taskEntriesSince(from: TaskLogEnd): TaskEntries {
    const { control, bytes, offsets, size } = this.#slot;
    const end = this.#readWhole(SlotWord.recordGeneration, (copy) => taskLogEndIn(this.#slot, copy));
    const missing = (end.ordinal - from.ordinal) | 0;
    if (missing <= 0) return { entries: [], end: from, lost: 0 };
    const floor = Atomics.load(control, SlotWord.taskLogFloor);
    const held = Math.max(0, (end.position - floor) | 0);
    const count = Math.min(held, (end.position - from.position) >>> 0, size.taskLogCapacity);
    const start = end.position - count;
    const target = count <= scratch.length ? scratch : Buffer.allocUnsafeSlow(count);
    const at = start & (size.taskLogCapacity - 1);
    const untilWrap = Math.min(count, size.taskLogCapacity - at);
    bytes.copy(target, 0, offsets.taskLog + at, offsets.taskLog + at + untilWrap);
    bytes.copy(target, untilWrap, offsets.taskLog, offsets.taskLog + count - untilWrap);
    // The second looks, as for samples.
    const overwritten = (Atomics.add(control, SlotWord.taskLogFloor, 0) - start) | 0;
    Atomics.add(control, SlotWord.tenancy, 0);
    this.#mustBeMine();
    const entries = entriesIn(target, Math.min(Math.max(0, overwritten), count), count);
    return { entries, end, lost: Math.max(0, missing - entries.length) };
  }

  /** Which part of the task log, 0 to 1, has come since then. @throws SlotGone if the memory belongs to another worker */
  taskLogShareSince(from: TaskLogEnd): number {
    const { control, size } = this.#slot;
    const end = this.#readWhole(SlotWord.recordGeneration, (copy) => taskLogEndIn(this.#slot, copy));
    if (end.ordinal === from.ordinal) return 0;
    const held = Math.max(0, (end.position - Atomics.load(control, SlotWord.taskLogFloor)) | 0);
    return Math.min(1, Math.min(held, (end.position - from.position) >>> 0) / Math.max(1, size.taskLogCapacity));
  }

  /** The tasks of the record, and where the task log ends with it. Undefined: there was no heartbeat in this master. */
  tasksNow(): TasksNow | undefined {
    const { bytes, numbers, offsets } = this.#slot;
    const now = this.#readWhole(SlotWord.recordGeneration, (copy) => {
      const record = offsets.record[copy] / 8;
      const sample = ((numbers[record + RecordNumber.appliedIndex] as number) - 1) >>> 0;
      const receivedUnixMs = numbers[record + RecordNumber.receivedUnixMs] as number;
      const isFarewell = ((numbers[record + RecordNumber.sampleFlags] as number) & SampleFlag.leaving) !== 0;
      const isApplied = numbers[record + RecordNumber.appliedIndex] !== 0;
      const jsonBytes = numbers[record + RecordNumber.jsonBytes] as number;
      const from = offsets.json[copy];
      const head = isLength(jsonBytes, this.#slot.size.jsonCapacity)
        ? bytes.toString('utf8', from, from + jsonBytes)
        : '';
      return { sample, receivedUnixMs, isApplied, isFarewell, head, end: taskLogEndIn(this.#slot, copy) };
    });
    if (!now.isApplied) return undefined;
    const { sample, receivedUnixMs, end } = now;
    return { sample, receivedUnixMs, end, tasks: now.isFarewell ? [] : (tasksInHead(now.head) ?? []) };
  }

  #recordNumber(index: number): number {
    const { numbers, offsets } = this.#slot;
    return this.#readWhole(SlotWord.recordGeneration, (copy) => numbers[offsets.record[copy] / 8 + index] as number);
  }

  /** Number of applied heartbeats, modulo 2^32. */
  get applied(): number {
    return Atomics.load(this.#slot.control, SlotWord.applied);
  }

  /** Number of rejected heartbeats, modulo 2^32. */
  get rejected(): number {
    return Atomics.load(this.#slot.control, SlotWord.rejected);
  }

  #note(): { ordinal: number; index: number; atUnixMs: number; cause: number; sequence: number; text: Buffer } {
    const { numbers, bytes, offsets } = this.#slot;
    return this.#readWhole(SlotWord.noteGeneration, (copy) => {
      const from = offsets.note[copy] / 8;
      const textFrom = offsets.noteText[copy];
      const length = numbers[from + NoteNumber.textBytes] as number;
      const textBytes = isLength(length, NOTE_TEXT_BYTES) ? length : 0;
      return {
        ordinal: numbers[from + NoteNumber.ordinal] as number,
        index: (numbers[from + NoteNumber.rejectedIndex] as number) | 0,
        atUnixMs: numbers[from + NoteNumber.atUnixMs] as number,
        cause: numbers[from + NoteNumber.cause] as number,
        sequence: numbers[from + NoteNumber.sequence] as number,
        text: Buffer.from(bytes.subarray(textFrom, textFrom + textBytes)),
      };
    });
  }

  #mustBeMine(): void {
    if (Atomics.load(this.#slot.control, SlotWord.tenancy) !== this.#tenancy) throw new SlotGone();
  }

  /** Retries until the value read is whole. */
  #readWhole<T>(word: number, read: (copy: 0 | 1) => T): T {
    const { control } = this.#slot;
    for (let tries = 0; tries < MAX_READ_TRIES; tries++) {
      const generation = beginRead(control, word);
      this.#mustBeMine();
      const value = read(currentCopy(generation));
      if (isWhole(control, word, generation)) return value;
    }
    throw new Error(`a slot changed ${MAX_READ_TRIES} times while it was read`);
  }
}

/**
 * Replaces times modulo 2^32 ms by whole ones, going back from `newestMs`: the receipt of the last of these samples, or of a later
 * one. Right as long as less than 49.7 days lie between two samples. A worker that is silent for longer and was not removed
 * meanwhile (RETENTION) shows a multiple of 49.7 days less; its receipts by the wall clock stay right.
 */
function whole(times: Float64Array, count: number, newestMs: number): void {
  let later = Math.floor(newestMs);
  for (let n = count - 1; n >= 0; n--) {
    later -= (later - (times[n] as number)) >>> 0;
    times[n] = later;
  }
}

function entriesIn(bytes: Buffer, from: number, end: number): TaskEntry[] {
  const entries: TaskEntry[] = [];
  for (let at = from; at < end; ) {
    const entry = readEntry(bytes, at, end);
    // Written by nobody that keeps to the layout: what follows cannot be read.
    if (entry === undefined) return entries;
    entries.push(entry);
    at += entryLengthAt(bytes, at, end) as number;
  }
  return entries;
}

/** Whether a length is valid, so that no read leads beyond the slot, whatever the memory contains. */
function isLength(bytes: number, most: number): boolean {
  return Number.isInteger(bytes) && bytes >= 0 && bytes <= most;
}
