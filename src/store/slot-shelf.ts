/**
 * Memory of forgotten workers, kept for the next ones: V8 collects shared memory late, so that a fleet which comes and goes
 * would fill the memory with slots that are nobody's.
 *
 * Only slots of the size that new ones have, and only when no thread writes them any more: their lane has said that it left, or its thread has ended. Readers
 * may still hold them, and must never show one worker's record as another's. Main, in this order:
 *
 *     L  releases the worker's row of the board
 *     R  the memory becomes the next worker's: `begin` of a record, `begin` of a note; tenancy + 1; counters to zero;
 *        the empty record and note are written to the copies that are not current; `end` of both
 *
 * A reader: A attaches, and remembers the tenancy; B asks the board whether the row is still the worker's, and gives up if
 * not; C reads. All of it are Atomics, so that there is one order of them all:
 * - Attached after R: B comes after L, so that the reader has given up.
 * - Attached before R: it remembers the old tenancy. A record or note is read as double-buffer.ts says: first look at the generation,
 *   look at the tenancy, copy, second look. If the first look sees what `end` wrote, or later, the tenancy is seen to be another
 *   one. If it sees less, the copy that it takes for current is the old worker's, which is overwritten first by the write after
 *   R, whose `begin` the second look sees. Counts and samples are read before a look at the tenancy: seen to be the old one, they
 *   were read before it changed.
 * The reader then throws SlotGone. It is a race of a moment, which {@link COOL_MS} makes longer than most readers take from B
 * to C; one that goes through the whole fleet between them, or whose thread is stopped there, takes longer. So whoever may be
 * behind main reads through `readWhileThere` of directory.ts, to which it says no more than that the worker is forgotten; it
 * asks B again behind C, since the words of a row are another worker's without a trace.
 */
import { emptyRecordJsonHead } from '../model/record-json.ts';
import { beginWrite, endWrite, mendWrite } from './double-buffer.ts';
import {
  jsonCapacityFor,
  LEAST_JSON_CAPACITY,
  NOTE_NUMBER_COUNT,
  RECORD_NUMBERS_WITH_PROGRESS,
  RecordNumber,
  type SlotSize,
  SlotWord,
} from './layout.ts';
import { type SlotMemory, viewSlot } from './slot-memory.ts';

/** From a worker's end until its memory may be another's. */
export const COOL_MS = 250;
/** … while samples are kept: whoever drains them once a second has had several chances at the last ones. */
export const SAMPLES_COOL_MS = 5000;
/** 16 MB without rings. What comes beyond is left to the garbage collection. */
const MAX_KEPT = 4096;

/** What counts for one worker. */
const COUNTS = [
  SlotWord.taken,
  SlotWord.finished,
  SlotWord.applied,
  SlotWord.rejected,
  SlotWord.ringFrom,
  SlotWord.metricNames,
  SlotWord.metricsLeftOut,
];

interface Kept {
  readonly memory: SlotMemory;
  readonly sinceMs: number;
}

export class SlotShelf {
  readonly #ringCapacity: number;
  readonly #coolMs: number;
  /** The longest kept first, from `#first` on; nothing before it, so that memory which was taken is its worker's alone. */
  #kept: (Kept | undefined)[] = [];
  #first = 0;

  /** @param ringCapacity of new slots */
  constructor(ringCapacity: number, coolMs = COOL_MS) {
    this.#ringCapacity = ringCapacity;
    this.#coolMs = coolMs;
  }

  get size(): number {
    return this.#kept.length - this.#first;
  }

  /** Nobody writes it any more, and its worker's row is released. @returns false if it is not kept */
  keep(memory: SlotMemory, nowMs: number): boolean {
    if (this.size >= MAX_KEPT || !this.#isAsNew(viewSlot(memory).size)) return false;
    this.#kept.push({ memory, sinceMs: nowMs });
    return true;
  }

  #isAsNew({ jsonCapacity, ringCapacity, metricColumns }: SlotSize): boolean {
    return jsonCapacity === LEAST_JSON_CAPACITY && ringCapacity === this.#ringCapacity && metricColumns === 0;
  }

  /** A slot for a new worker, its record all zeros; undefined if there is none. */
  take(workerId: string, nowMs: number): SlotMemory | undefined {
    const kept = this.#kept[this.#first];
    if (kept === undefined || nowMs - kept.sinceMs < this.#coolMs) return undefined;
    const json = Buffer.from(emptyRecordJsonHead(workerId));
    if (jsonCapacityFor(json.length) !== LEAST_JSON_CAPACITY) return undefined;
    this.#kept[this.#first++] = undefined;
    if (this.#first > MAX_KEPT) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
    return handedOver(kept.memory, json);
  }
}

/** Step R. */
function handedOver(memory: SlotMemory, json: Buffer): SlotMemory {
  const { control, numbers, bytes, offsets } = viewSlot(memory);
  for (const word of [SlotWord.recordGeneration, SlotWord.noteGeneration]) mendWrite(control, word);
  const record = beginWrite(control, SlotWord.recordGeneration);
  const note = beginWrite(control, SlotWord.noteGeneration);
  Atomics.add(control, SlotWord.tenancy, 1);
  for (const word of COUNTS) Atomics.store(control, word, 0);
  const recordAt = offsets.record[record] / 8;
  numbers.fill(0, recordAt, recordAt + RECORD_NUMBERS_WITH_PROGRESS);
  numbers[recordAt + RecordNumber.jsonBytes] = json.length;
  json.copy(bytes, offsets.json[record]);
  const noteAt = offsets.note[note] / 8;
  numbers.fill(0, noteAt, noteAt + NOTE_NUMBER_COUNT);
  endWrite(control, SlotWord.noteGeneration);
  endWrite(control, SlotWord.recordGeneration);
  return memory;
}
