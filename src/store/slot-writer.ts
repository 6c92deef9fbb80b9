/**
 * The writing side of a slot, used by one thread: the worker's lane.
 *
 * For each heartbeat: `take`, then `makeRoom` and `publish`, or `reject`. In between, the heartbeat is in process. A
 * lane may be killed at any instant; the slot's next writer first calls `mend`, after which the memory is as if the
 * killed lane had either not begun or finished the heartbeat in process.
 */
import { REJECTION_CAUSES, type RejectionCause } from '../model/lanes.ts';
import { emptyRecordJsonHead, type RecordJsonParts, type TelemetryJson } from '../model/record-json.ts';
import type { TaskEvent } from '../model/task-change.ts';
import { beginWrite, currentCopy, endWrite, mendWrite } from './double-buffer.ts';
import {
  type Copy,
  jsonCapacityFor,
  LEAST_JSON_CAPACITY,
  NOTE_TEXT_BYTES,
  NoteNumber,
  PROGRESS_OFFSET_NUMBERS,
  RecordNumber,
  SLOT_CONTROL_BYTES,
  type SlotSize,
  SlotWord,
} from './layout.ts';
import type { Publications } from './publications.ts';
import { type RecordAllowance, UNLIMITED } from './record-allowance.ts';
import { type RecordTasks, recordTasksIn } from './record-tasks.ts';
import { type Measured, NOTHING_MEASURED, SampleWriter } from './sample-writer.ts';
import { type AcceptedNormal, type SampleScore, ScoreWriter, UNSCORED } from './score-writer.ts';
import { allocateSlot, isSameSize, type SlotMemory, type SlotViews, viewSlot } from './slot-memory.ts';
import { type ProgressEntry, readProgress, writeProgress } from './slot-progress.ts';
import { NO_SMALL_RECORDS, type NoRoom, roomAfter, whyNoRoom } from './slot-room.ts';
import { TaskLogWriter } from './task-log.ts';

/** What is published of a heartbeat, besides its JSON. Usages are percentages. */
export interface RecordNumbers {
  readonly ordinal: number;
  readonly cpuUsage: number;
  readonly memoryUsage: number;
  readonly storageUsage: number;
  readonly gpuUsage: number;
  readonly runningTasks: number;
  readonly receivedUnixMs: number;
  readonly receivedMonotonicMs: number;
  readonly publishedMonotonicMs: number;
  readonly sequence: number;
  readonly sentAtUnixMs: number;
  readonly hostLoopLagMs: number;
  readonly lastRoundTripMs: number;
  /** Time of the least recent progress of any running task, by the monotonic clock; 0 = no task reports progress. */
  readonly taskStoodStillSinceMs: number;
  /** Bits of SampleFlag. */
  readonly sampleFlags: number;
  /** See model/anomaly/heartbeat-interval.ts; NaN, or undefined: not to be scored. */
  readonly heartbeatIntervalS?: number;
}

/** A worker's record as kept by an earlier master. */
export interface RestoredRecord {
  /** The JSON object as a lane writes it, without its end. */
  readonly json: string;
  /** When that master received it. */
  readonly receivedUnixMs: number;
}

type Received = Pick<RecordNumbers, 'receivedMonotonicMs'>;
const NEVER_RECEIVED: Received = { receivedMonotonicMs: 0 };

const NO_PROGRESS: readonly ProgressEntry[] = [];
const NO_EVENTS: readonly TaskEvent[] = [];

/** Marks a record that comes from no heartbeat of this master: 0 means no record, and heartbeats count from 1. */
const RESTORED_ORDINAL = -1;

/**
 * Allocates a slot for a new worker, with an all-zero record or one kept by an earlier master. Called before other
 * threads see the memory. A restored record is neither counted as applied nor a sample.
 * @param isScored whether its samples are scored, and so those of all slots that follow it
 */
export function newSlot(workerId: string, ringCapacity = 0, restored?: RestoredRecord, isScored = false): SlotMemory {
  const json = Buffer.from(restored?.json ?? emptyRecordJsonHead(workerId));
  const slot = allocateSlot({
    jsonCapacity: jsonCapacityFor(json.length),
    ringCapacity,
    metricColumns: 0,
    taskLogCapacity: 0,
    isScored,
  });
  json.copy(slot.bytes, slot.offsets.json[0]);
  const { numbers } = slot;
  const record = slot.offsets.record[0] / 8;
  numbers[record + RecordNumber.jsonBytes] = json.length;
  if (restored === undefined) return slot.memory;
  const values = JSON.parse(`${restored.json}}`) as Omit<TelemetryJson, 'last_update' | 'is_active'>;
  numbers[record + RecordNumber.ordinal] = RESTORED_ORDINAL;
  numbers[record + RecordNumber.cpuUsage] = values.cpu_usage;
  numbers[record + RecordNumber.memoryUsage] = values.memory_usage;
  numbers[record + RecordNumber.storageUsage] = values.storage_usage;
  numbers[record + RecordNumber.gpuUsage] = values.gpu_usage;
  numbers[record + RecordNumber.runningTasks] = values.running_tasks.length;
  numbers[record + RecordNumber.receivedUnixMs] = restored.receivedUnixMs;
  return slot.memory;
}

/** Where publications to a slot are counted. */
export interface CountedAt {
  readonly publications: Publications;
  /** The worker's row on the board. */
  readonly row: number;
}

export class SlotWriter {
  #slot: SlotViews;
  readonly #countedAt: CountedAt | undefined;
  readonly #samples: SampleWriter;
  readonly #scores: ScoreWriter;
  readonly #taskLog: TaskLogWriter;
  /** Position of the tasks in the JSON of the last published record. */
  #tasks: { from: number; readonly bytes: number } | undefined;
  /** The previous memory of another size; holds the current record until the next one is published. */
  #before: SlotViews | undefined;
  #small = NO_SMALL_RECORDS;
  /** The current JSON is known to fit. */
  #hasRoom = false;

  /** @param countedAt undefined: no reader looks for changes of this slot */
  constructor(memory: SlotMemory, countedAt?: CountedAt) {
    this.#slot = viewSlot(memory);
    this.#countedAt = countedAt;
    this.#scores = new ScoreWriter(this.#slot);
    this.#samples = new SampleWriter(this.#slot, this.#scores);
    this.#taskLog = new TaskLogWriter(this.#slot);
  }

  get memory(): SlotMemory {
    return this.#slot.memory;
  }

  /** What the last published sample made usual, see score-writer.ts. */
  get accepted(): AcceptedNormal | undefined {
    return this.#scores.accepted;
  }

  /** What is expected of its metrics from now on, by key; NaN: unknown. Those that are not named stay as they are. */
  expect(values: ReadonlyMap<string, number>): void {
    this.#scores.expect(values);
  }

  /** Completes or undoes what a killed predecessor had begun. */
  mend(): void {
    if (this.#mend()) this.#count();
  }

  /**
   * @returns whether readers see a change, including one of a generation, by which they remember what they have read
   */
  #mend(): boolean {
    const { control } = this.#slot;
    const isRecordMoved = mendWrite(control, SlotWord.recordGeneration);
    const isNoteMoved = mendWrite(control, SlotWord.noteGeneration);
    const isScoreMoved = this.#scores.mend();
    const isMoved = isRecordMoved || isNoteMoved || isScoreMoved;
    const taken = Atomics.load(control, SlotWord.taken);
    if (Atomics.load(control, SlotWord.finished) === taken) return isMoved;
    const record = this.#recordAt(currentCopy(Atomics.load(control, SlotWord.recordGeneration)));
    if (this.#number(record, RecordNumber.ordinal) === taken) {
      if (Atomics.load(control, SlotWord.applied) !== this.#number(record, RecordNumber.appliedIndex)) {
        this.#appendSample(record, UNSCORED);
      }
      Atomics.store(control, SlotWord.finished, taken);
      return true;
    }
    const note = this.#noteAt(currentCopy(Atomics.load(control, SlotWord.noteGeneration)));
    if (this.#number(note, NoteNumber.ordinal) === taken) {
      Atomics.store(control, SlotWord.rejected, this.#number(note, NoteNumber.rejectedIndex));
      Atomics.store(control, SlotWord.finished, taken);
      return true;
    }
    // It left no trace and has been charged, or will be given again: nothing is in process any more.
    Atomics.store(control, SlotWord.taken, Atomics.load(control, SlotWord.finished));
    return isMoved;
  }

  /** The last record's progress table, for a lane that may have been restarted. */
  progress(): ProgressEntry[] {
    const { control, numbers } = this.#slot;
    return readProgress(numbers, this.#progressAt(currentCopy(Atomics.load(control, SlotWord.recordGeneration))));
  }

  /** The tasks of the last record, with which those of the next one are compared for the task log. */
  lastTasks(): RecordTasks {
    const slot = this.#before ?? this.#slot;
    return recordTasksIn(slot, currentCopy(Atomics.load(slot.control, SlotWord.recordGeneration)));
  }

  /** Marks the heartbeat as in process. */
  take(ordinal: number): void {
    Atomics.store(this.#slot.control, SlotWord.taken, ordinal);
  }

  /**
   * Resizes the slot if the JSON or sample of the current heartbeat requires it.
   * @returns why that is not allowed; undefined if the JSON fits, and is to be published next
   */
  makeRoom(
    json: string | RecordJsonParts,
    allowance: RecordAllowance,
    { receivedMonotonicMs }: Received = NEVER_RECEIVED,
    measured: Measured = NOTHING_MEASURED,
    events = NO_EVENTS,
  ): NoRoom | undefined {
    this.#hasRoom = false;
    const jsonCapacity = this.#jsonCapacityFor(json, allowance);
    if (typeof jsonCapacity !== 'number') return jsonCapacity;
    this.#hasRoom = true;
    const before = this.#slot;
    const ring = this.#samples.sizeFor(receivedMonotonicMs, measured, allowance);
    const taskLogCapacity = this.#taskLog.capacityFor(events, receivedMonotonicMs, allowance);
    const isSame = jsonCapacity === before.size.jsonCapacity && taskLogCapacity === before.size.taskLogCapacity;
    if (ring === before.size && isSame) return undefined;
    const size = { ...ring, jsonCapacity, taskLogCapacity, isScored: before.size.isScored };
    if (isSameSize(size, before.size)) return undefined;
    this.#slot = resized(before, size);
    this.#samples.move(this.#slot);
    this.#taskLog.move(this.#slot);
    this.#before = before;
    return undefined;
  }

  /** The capacity that the slot needs, or why it may not have it. */
  #jsonCapacityFor(json: string | RecordJsonParts, allowance: RecordAllowance): number | NoRoom {
    const { before, tasks, after } = partsOf(json);
    const { jsonCapacity: capacity } = this.#slot.size;
    const tasksBytes = tasks === undefined ? this.#kept().bytes : Buffer.byteLength(tasks);
    // A UTF-16 unit takes at most three bytes, which shows that two short strings fit into the minimum capacity.
    if (capacity === LEAST_JSON_CAPACITY && tasksBytes + 3 * (before.length + after.length) <= capacity)
      return capacity;
    const jsonBytes = tasksBytes + Buffer.byteLength(before) + Buffer.byteLength(after);
    if (jsonBytes > capacity) {
      const noRoom = whyNoRoom(jsonBytes, allowance);
      if (noRoom !== undefined) return noRoom;
    }
    const room = roomAfter({ capacity, small: this.#small }, jsonBytes, allowance.isShort);
    this.#small = room.small;
    return room.capacity;
  }

  /**
   * Publishes the record of the current heartbeat, then scores its sample and appends it. Makes room without limits, unless {@link
   * makeRoom} has made it.
   * @param json a whole string, or parts; tasks that are left out are copied from this writer's last record
   * @param progress progress of its tasks, see slot-progress.ts
   * @param measured what else its sample has
   * @param events what happened to the worker's tasks, for the task log
   * @returns the slot's new memory if it was resized for this record, which readers must be told; else undefined
   */
  publish(
    values: RecordNumbers,
    json: string | RecordJsonParts,
    progress: readonly ProgressEntry[] = NO_PROGRESS,
    measured: Measured = NOTHING_MEASURED,
    events = NO_EVENTS,
  ): SlotMemory | undefined {
    if (!this.#hasRoom) this.makeRoom(json, UNLIMITED, values, measured, events);
    this.#hasRoom = false;
    this.#samples.begin(measured);
    const sample = Atomics.load(this.#slot.control, SlotWord.applied);
    const { receivedUnixMs, receivedMonotonicMs } = values;
    this.#taskLog.write(events, { sample, atMs: receivedUnixMs, monotonicMs: receivedMonotonicMs });
    const { before, tasks, after } = partsOf(json);
    const { control, numbers } = this.#slot;
    const copy = beginWrite(control, SlotWord.recordGeneration);
    const record = this.#recordAt(copy);
    // One by one: a loop over the keys takes as long as all the rest of a write.
    numbers[record + RecordNumber.ordinal] = values.ordinal;
    numbers[record + RecordNumber.cpuUsage] = values.cpuUsage;
    numbers[record + RecordNumber.memoryUsage] = values.memoryUsage;
    numbers[record + RecordNumber.storageUsage] = values.storageUsage;
    numbers[record + RecordNumber.gpuUsage] = values.gpuUsage;
    numbers[record + RecordNumber.runningTasks] = values.runningTasks;
    numbers[record + RecordNumber.receivedUnixMs] = values.receivedUnixMs;
    numbers[record + RecordNumber.receivedMonotonicMs] = values.receivedMonotonicMs;
    numbers[record + RecordNumber.publishedMonotonicMs] = values.publishedMonotonicMs;
    numbers[record + RecordNumber.sequence] = values.sequence;
    numbers[record + RecordNumber.sentAtUnixMs] = values.sentAtUnixMs;
    numbers[record + RecordNumber.hostLoopLagMs] = values.hostLoopLagMs;
    numbers[record + RecordNumber.lastRoundTripMs] = values.lastRoundTripMs;
    numbers[record + RecordNumber.taskStoodStillSinceMs] = values.taskStoodStillSinceMs;
    numbers[record + RecordNumber.sampleFlags] = values.sampleFlags;
    numbers[record + RecordNumber.heartbeatIntervalS] = values.heartbeatIntervalS ?? Number.NaN;
    numbers[record + RecordNumber.taskLogEnd] = this.#taskLog.next.position;
    numbers[record + RecordNumber.taskOrdinal] = this.#taskLog.next.ordinal;
    numbers[record + RecordNumber.appliedIndex] = (Atomics.load(control, SlotWord.applied) + 1) | 0;
    writeProgress(numbers, this.#progressAt(copy), progress);
    numbers[record + RecordNumber.jsonBytes] = this.#writeJson(copy, before, tasks, after);
    endWrite(control, SlotWord.recordGeneration);
    this.#taskLog.published();
    this.#appendSample(record, this.#scores.score(record));
    Atomics.store(control, SlotWord.finished, values.ordinal);
    this.#count();
    if (this.#before === undefined) return undefined;
    this.#before = undefined;
    return this.#slot.memory;
  }

  /**
   * Counts the current heartbeat as rejected; the last good record stays.
   * @param reason is cut to the note's capacity
   */
  reject(
    ordinal: number,
    reason: string,
    atUnixMs: number,
    { cause = 'content', sequence = 0 }: { cause?: RejectionCause; sequence?: number } = {},
  ): void {
    const { control, numbers, bytes, offsets } = this.#slot;
    const rejected = (Atomics.load(control, SlotWord.rejected) + 1) | 0;
    const copy = beginWrite(control, SlotWord.noteGeneration);
    const note = this.#noteAt(copy);
    numbers[note + NoteNumber.ordinal] = ordinal;
    numbers[note + NoteNumber.rejectedIndex] = rejected;
    numbers[note + NoteNumber.atUnixMs] = atUnixMs;
    numbers[note + NoteNumber.cause] = REJECTION_CAUSES.indexOf(cause);
    numbers[note + NoteNumber.sequence] = sequence;
    // write() never splits a character.
    numbers[note + NoteNumber.textBytes] = bytes.write(reason, offsets.noteText[copy], NOTE_TEXT_BYTES, 'utf8');
    endWrite(control, SlotWord.noteGeneration);
    Atomics.store(control, SlotWord.rejected, rejected);
    Atomics.store(control, SlotWord.finished, ordinal);
    this.#count();
  }

  /** Must come last: a reader that sees the count sees all that it counts. */
  #count(): void {
    this.#countedAt?.publications.add(this.#countedAt.row);
  }

  /** @returns the number of bytes written */
  #writeJson(copy: Copy, before: string, tasks: string | undefined, after: string): number {
    const { bytes, offsets } = this.#slot;
    const start = offsets.json[copy];
    let at = start + bytes.write(before, start);
    const from = at - start;
    if (tasks === undefined) {
      // From the current copy, which only this thread could overwrite.
      const kept = this.#kept();
      const source = this.#before ?? this.#slot;
      const current = source.offsets.json[copy === 0 ? 1 : 0] + kept.from;
      source.bytes.copy(bytes, at, current, current + kept.bytes);
      at += kept.bytes;
      kept.from = from;
    } else {
      at += bytes.write(tasks, at);
      this.#tasks = { from, bytes: at - start - from };
    }
    at += bytes.write(after, at);
    return at - start;
  }

  #kept(): { from: number; readonly bytes: number } {
    if (this.#tasks === undefined) throw new Error('no tasks were published yet that could be kept');
    return this.#tasks;
  }

  /** Index of the first number of a copy of the record. */
  #recordAt(copy: Copy): number {
    return this.#slot.offsets.record[copy] / 8;
  }

  #progressAt(copy: Copy): number {
    return this.#recordAt(copy) + PROGRESS_OFFSET_NUMBERS;
  }

  #noteAt(copy: Copy): number {
    return this.#slot.offsets.note[copy] / 8;
  }

  #number(at: number, index: number): number {
    return this.#slot.numbers[at + index] as number;
  }

  /** The increment of `applied` publishes the sample. */
  #appendSample(record: number, scored: Readonly<SampleScore>): void {
    this.#samples.write(record, scored);
    Atomics.add(this.#slot.control, SlotWord.applied, 1);
  }
}

function partsOf(json: string | RecordJsonParts): RecordJsonParts {
  return typeof json === 'string' ? { before: json, tasks: '', after: '' } : json;
}

/**
 * A slot of another size with the same counts and note, for a record that is about to be published: it has no readers
 * before that, so the old records need not be copied. The old slot stays unchanged: its readers keep a whole record
 * until they move.
 */
function resized(old: SlotViews, size: SlotSize): SlotViews {
  const slot = allocateSlot(size);
  for (const word of [
    SlotWord.taken,
    SlotWord.finished,
    SlotWord.applied,
    SlotWord.rejected,
    SlotWord.metricsLeftOut,
    SlotWord.columnsWanted,
  ]) {
    Atomics.store(slot.control, word, Atomics.load(old.control, word));
  }
  for (const word of [SlotWord.recordGeneration, SlotWord.noteGeneration]) {
    Atomics.store(slot.control, word, Atomics.load(old.control, word));
  }
  // Notes are at the same place in every slot.
  old.bytes.copy(slot.bytes, SLOT_CONTROL_BYTES, SLOT_CONTROL_BYTES, old.offsets.record[0]);
  return slot;
}
