/**
 * A slot's log of what happened to the worker's tasks: a ring of bytes, written by the lane, read by any number of threads. It has no
 * memory until there is something to log, so a worker whose tasks never change pays nothing.
 *
 *     floor                      end                  positions count bytes, modulo 2^32; place = position modulo capacity
 *     ┌──────────┬───────┬───────┐
 *     │ entry n  │ n + 1 │ n + 2 │ (the next entries go here)
 *     └──────────┴───────┴───────┘
 *
 * Atomic with the record: `end` and the number of entries are numbers of the record, and entries are written behind its `end` before it
 * is published. Publishing the record publishes them. A lane that is killed before leaves bytes that nobody reads, and its successor
 * writes there again.
 *
 * The oldest entries are overwritten. Before that, the writer raises `floor`, a control word: what is before it is not to be read. A
 * reader copies, then looks at the floor again; both looks and the raise are Atomics, with the argument of double-buffer.ts: the second
 * look and the raise are read-modify-writes. Each entry has its ordinal, so a reader knows exactly how many it missed. The floor is
 * never beyond the published `end`.
 */
import type { TaskEvent } from '../model/task-change.ts';
import { currentCopy } from './double-buffer.ts';
import { RecordNumber, SlotWord } from './layout.ts';
import type { RecordAllowance } from './record-allowance.ts';
import type { SlotViews } from './slot-memory.ts';
import { ENTRY_ALIGNMENT, ENTRY_MONOTONIC_AT, encodedEntry, entryBytes, type WrittenEntry } from './task-entry.ts';
import { LEAST_TASK_LOG_BYTES, taskLogAfter } from './task-log-room.ts';

/** Where the log ends, as published with a record; modulo 2^32. */
export interface TaskLogEnd {
  readonly position: number;
  readonly ordinal: number;
}

/** Before the first entry. */
export const LOG_BEGIN: TaskLogEnd = { position: 0, ordinal: 0 };

export function taskLogEndIn({ numbers, offsets }: SlotViews, copy: 0 | 1): TaskLogEnd {
  const record = offsets.record[copy] / 8;
  return {
    position: (numbers[record + RecordNumber.taskLogEnd] as number) >>> 0,
    ordinal: (numbers[record + RecordNumber.taskOrdinal] as number) >>> 0,
  };
}

export class TaskLogWriter {
  #slot: SlotViews;
  /** That of the last published record: what follows is not published. */
  #end: TaskLogEnd;
  /** Of the heartbeat in process. */
  #next: TaskLogEnd;

  constructor(slot: SlotViews) {
    this.#slot = slot;
    this.#end = taskLogEndIn(slot, currentCopy(Atomics.load(slot.control, SlotWord.recordGeneration)));
    this.#next = this.#end;
  }

  /** What is to be published with the record, once {@link write} has returned. */
  get next(): TaskLogEnd {
    return this.#next;
  }

  /** The capacity needed for these events; unchanged if there is no memory for a larger one. @param nowMs by the monotonic clock */
  capacityFor(events: readonly TaskEvent[], nowMs: number, allowance: RecordAllowance): number {
    const { size } = this.#slot;
    if (events.length === 0) return size.taskLogCapacity;
    const added = events.reduce((sum, event) => sum + entryBytes(event), 0);
    const capacity = size.taskLogCapacity;
    const heldMs = this.#used === 0 ? 0 : nowMs - this.#monotonicMsAt(this.#floor);
    const wanted = taskLogAfter({ capacity, used: this.#used, added, heldMs });
    if (wanted <= LEAST_TASK_LOG_BYTES || wanted - capacity <= allowance.ringRoomBytes) return wanted;
    // As for a worker's first ring, the least is always allowed: MAX_WORKERS limits those.
    return Math.max(capacity, LEAST_TASK_LOG_BYTES);
  }

  /** Moves to another memory, with as many of the newest entries as fit. */
  move(to: SlotViews): void {
    const from = this.#slot;
    const { position: end } = this.#end;
    let floor = this.#floor;
    while ((end - floor) >>> 0 > to.size.taskLogCapacity) floor = (floor + this.#lengthAt(floor)) >>> 0;
    for (let position = floor; position !== end; ) {
      const length = this.#lengthAt(position);
      const at = place(from, position);
      const untilWrap = from.size.taskLogCapacity - (position & (from.size.taskLogCapacity - 1));
      const first = Math.min(length, untilWrap);
      put(to, position, from.bytes.subarray(at, at + first));
      if (first < length) {
        const { taskLog } = from.offsets;
        put(to, (position + first) >>> 0, from.bytes.subarray(taskLog, taskLog + length - first));
      }
      position = (position + length) >>> 0;
    }
    Atomics.store(to.control, SlotWord.taskLogFloor, floor | 0);
    this.#slot = to;
  }

  /** Writes events behind the published end; they appear with the record that publishes {@link next}. */
  write(events: readonly TaskEvent[], at: Pick<WrittenEntry, 'sample' | 'atMs' | 'monotonicMs'>): void {
    this.#next = this.#end;
    if (events.length === 0) return;
    const { control, size } = this.#slot;
    const sizes = events.map(entryBytes);
    let bytes = sizes.reduce((sum, length) => sum + length, 0);
    let { position, ordinal } = this.#end;
    // Those that do not fit count as lost, as if they had been written and overwritten.
    let first = 0;
    while (bytes > size.taskLogCapacity) bytes -= sizes[first++] as number;
    ordinal = (ordinal + first) >>> 0;
    const before = this.#floor;
    // Then nothing older is kept either: what is kept has no gap.
    let floor = first > 0 ? position : before;
    while (((position - floor) >>> 0) + bytes > size.taskLogCapacity) floor = (floor + this.#lengthAt(floor)) >>> 0;
    if (floor !== before) Atomics.add(control, SlotWord.taskLogFloor, (floor - before) | 0);
    for (const event of events.slice(first)) {
      const entry = encodedEntry({ event, ordinal, ...at });
      put(this.#slot, position, entry);
      position = (position + entry.length) >>> 0;
      ordinal = (ordinal + 1) >>> 0;
    }
    this.#next = { position, ordinal };
  }

  /** The record was published. */
  published(): void {
    this.#end = this.#next;
  }

  get #floor(): number {
    return Atomics.load(this.#slot.control, SlotWord.taskLogFloor) >>> 0;
  }

  get #used(): number {
    return (this.#end.position - this.#floor) >>> 0;
  }

  /** At most up to the end, and never 0 before it, whatever the memory contains. */
  #lengthAt(position: number): number {
    const left = (this.#end.position - position) >>> 0;
    const length = this.#slot.control[place(this.#slot, position) / 4] as number;
    return length > 0 && length < left && length % ENTRY_ALIGNMENT === 0 ? length : left;
  }

  #monotonicMsAt(position: number): number {
    const { size, numbers, offsets } = this.#slot;
    const receipt = (position + ENTRY_MONOTONIC_AT) & (size.taskLogCapacity - 1);
    return numbers[(offsets.taskLog + receipt) / 8] as number;
  }
}

function place({ offsets, size }: SlotViews, position: number): number {
  return offsets.taskLog + (position & (size.taskLogCapacity - 1));
}

function put(slot: SlotViews, position: number, bytes: Uint8Array): void {
  const at = place(slot, position);
  const untilWrap = slot.size.taskLogCapacity - (position & (slot.size.taskLogCapacity - 1));
  slot.bytes.set(bytes.subarray(0, untilWrap), at);
  if (bytes.length > untilWrap) slot.bytes.set(bytes.subarray(untilWrap), slot.offsets.taskLog);
}
