/**
 * Keeps the memory of removed workers for the next ones: V8 collects shared memory late, so a fleet that comes and goes
 * would fill the memory with unused slots.
 *
 * Only slots of the size that new ones have are kept, and only when no thread writes them any more: their lane has
 * confirmed that it left, or its thread has ended. Readers may still hold them, and must never show one worker's record
 * as another's. Main does, in this order:
 *
 *     L  releases the worker's row of the board
 *     R  gives the memory to the next worker: `begin` of a record, a note and a score; tenancy + 1; counters to zero;
 *        writes the empty ones to the copies that are not current; zeroes the states of metrics; `end` of all three
 *
 * A reader: A attaches and remembers the tenancy; B checks on the board whether the row is still the worker's, and
 * gives up if not; C reads. All of these are Atomics, so that they have one total order:
 * - Attached after R: B comes after L, so the reader has given up.
 * - Attached before R: it remembers the old tenancy. A record or note is read as in double-buffer.ts: first look at the
 *   generation, look at the tenancy, copy, second look. If the first look sees what `end` wrote, or later, the tenancy
 *   is seen to differ. If it sees less, the copy that it takes for current is the old worker's, which is first
 *   overwritten by the write after R, whose `begin` the second look sees. Counts and samples are read before a look at
 *   the tenancy: if it is still the old one, they were read before it changed.
 * The reader then throws SlotGone. Such a race is short, and {@link COOL_MS} is longer than most readers need from B to
 * C; a reader that goes through the whole fleet in between, or whose thread is stopped there, takes longer. So readers
 * that may be behind main use `readWhileThere` of directory.ts, which only reports that the worker was removed; it
 * repeats B after C, since the words of a row change owner without a trace.
 */
import { emptyRecordJsonHead } from '../model/record-json.ts';
import { beginWrite, endWrite, mendWrite } from './double-buffer.ts';
import {
  jsonCapacityFor,
  LEAST_JSON_CAPACITY,
  NOTE_NUMBER_COUNT,
  NUMBER_BYTES,
  RECORD_NUMBERS_WITH_PROGRESS,
  RecordNumber,
  SCORE_NUMBERS,
  type SlotSize,
  SlotWord,
} from './layout.ts';
import { type SlotMemory, viewSlot } from './slot-memory.ts';
import { LEAST_TASK_LOG_BYTES } from './task-log-room.ts';

/** Time from a worker's removal until its memory may be reused. */
export const COOL_MS = 250;
/** … while samples are kept: a reader that drains once a second has several chances to get the last ones. */
export const SAMPLES_COOL_MS = 5000;
/** Further slots are left to garbage collection. */
const MAX_KEPT = 4096;
/**
 * As much as so many slots take with rings of 64 samples, those of workers that send every 5 s. Where workers send more often, rings are
 * larger, and fewer are kept.
 */
export const MAX_KEPT_BYTES = 32 * 1024 ** 2;

/** Counters of one worker. */
const COUNTS = [
  SlotWord.taken,
  SlotWord.finished,
  SlotWord.applied,
  SlotWord.rejected,
  SlotWord.ringFrom,
  SlotWord.metricKeys,
  SlotWord.metricsLeftOut,
  SlotWord.columnsWanted,
  SlotWord.taskLogFloor,
  SlotWord.stateGeneration,
];

interface Kept {
  readonly memory: SlotMemory;
  readonly sinceMs: number;
}

export class SlotShelf {
  readonly #ringCapacity: number;
  readonly #coolMs: number;
  /** Oldest first, from `#first` on; earlier elements are cleared, so that reused memory belongs only to its worker. */
  #kept: (Kept | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  readonly #mostBytes: number;

  /** @param ringCapacity of new slots */
  constructor(ringCapacity: number, coolMs = COOL_MS, mostBytes = MAX_KEPT_BYTES) {
    this.#ringCapacity = ringCapacity;
    this.#coolMs = coolMs;
    this.#mostBytes = mostBytes;
  }

  get size(): number {
    return this.#kept.length - this.#first;
  }

  /** The slot has no writer any more, and its worker's row is released. @returns false if it is not kept */
  keep(memory: SlotMemory, nowMs: number): boolean {
    if (this.size >= MAX_KEPT || this.#bytes + memory.byteLength > this.#mostBytes) return false;
    if (!this.#isAsNew(viewSlot(memory).size)) return false;
    this.#bytes += memory.byteLength;
    this.#kept.push({ memory, sinceMs: nowMs });
    return true;
  }

  /** The least task log may stay, since nearly every worker that was there needed one. */
  #isAsNew({ jsonCapacity, ringCapacity, metricColumns, taskLogCapacity }: SlotSize): boolean {
    if (jsonCapacity !== LEAST_JSON_CAPACITY || taskLogCapacity > LEAST_TASK_LOG_BYTES) return false;
    return ringCapacity === this.#ringCapacity && metricColumns === 0;
  }

  /** A slot for a new worker with an all-zero record; undefined if there is none. */
  take(workerId: string, nowMs: number): SlotMemory | undefined {
    const kept = this.#kept[this.#first];
    if (kept === undefined || nowMs - kept.sinceMs < this.#coolMs) return undefined;
    const json = Buffer.from(emptyRecordJsonHead(workerId));
    if (jsonCapacityFor(json.length) !== LEAST_JSON_CAPACITY) return undefined;
    this.#kept[this.#first++] = undefined;
    this.#bytes -= kept.memory.byteLength;
    if (this.#first > MAX_KEPT) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
    return handedOver(kept.memory, json);
  }
}

/** Step R. */
function handedOver(memory: SlotMemory, json: Buffer): SlotMemory {
  const { control, numbers, bytes, offsets, size } = viewSlot(memory);
  const words = [SlotWord.recordGeneration, SlotWord.noteGeneration, SlotWord.scoreGeneration];
  for (const word of words) mendWrite(control, word);
  const record = beginWrite(control, SlotWord.recordGeneration);
  const note = beginWrite(control, SlotWord.noteGeneration);
  const score = beginWrite(control, SlotWord.scoreGeneration);
  Atomics.add(control, SlotWord.tenancy, 1);
  for (const word of COUNTS) Atomics.store(control, word, 0);
  const recordAt = offsets.record[record] / 8;
  numbers.fill(0, recordAt, recordAt + RECORD_NUMBERS_WITH_PROGRESS);
  numbers[recordAt + RecordNumber.jsonBytes] = json.length;
  json.copy(bytes, offsets.json[record]);
  const noteAt = offsets.note[note] / 8;
  numbers.fill(0, noteAt, noteAt + NOTE_NUMBER_COUNT);
  if (size.isScored) {
    const scoreAt = offsets.score[score] / NUMBER_BYTES;
    numbers.fill(0, scoreAt, scoreAt + SCORE_NUMBERS);
    bytes.fill(0, offsets.keptState);
  }
  endWrite(control, SlotWord.scoreGeneration);
  endWrite(control, SlotWord.noteGeneration);
  endWrite(control, SlotWord.recordGeneration);
  return memory;
}
