/**
 * Drains the samples of all workers, for a reading thread that stores them elsewhere: each sample once and in order, or counted
 * as lost. It gets the announcements that every reader gets. Samples must be kept (`samples` of the engine) for longer than
 * the time between two drains.
 *
 * | a worker is | since         | its samples                                                             |
 * |-------------|---------------|-------------------------------------------------------------------------|
 * | present     | `slotAdded`   | are drained each time, from where the last drain ended                  |
 * | leaving     | `slotGone`    | may still grow: its lane has not finished its heartbeats                |
 * | closed      | `slotClosed`  | are drained one last time, and then it is forgotten                     |
 *
 * For workers that existed before the drain, it starts with the samples that are kept; earlier ones do not count as lost. For
 * all others every sample counts, from the first, however late the drain learns of them.
 *
 * Samples are drained once `take` has returned: if it throws, the next drain delivers them again.
 */
import type { BoardReader } from '../store/board.ts';
import { SampleColumns } from '../store/sample-columns.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';
import type { Announcement } from './directory.ts';

/**
 * @param columns valid only during the call
 * @param numbersFrom to be added to their numbers, see directory.ts
 */
export type TakeSamples = (workerId: string, columns: SampleColumns, numbersFrom: number) => void;

interface Cursor {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly numbersFrom: number;
  /** Undefined until it is certain that the memory is this worker's. */
  slot: SlotReader | undefined;
  /** The number of the next sample; undefined: not known yet. */
  next: number | undefined;
}

export class SampleDrain {
  readonly #board: BoardReader;
  /** By row: its worker when the drain was created. */
  readonly #occupantsBefore: Int32Array;
  readonly #there = new Map<string, Cursor>();
  /** By row and occupant: the next worker of that name may already exist. */
  readonly #leaving = new Map<string, Cursor>();
  readonly #closed: Cursor[] = [];
  readonly #columns = new SampleColumns();
  #lost = 0;
  #closedTooLate = 0;

  /** Create it before anything is announced to it. */
  constructor(board: BoardReader) {
    this.#board = board;
    this.#occupantsBefore = Int32Array.from({ length: board.capacity }, (_, row) => board.occupantOf(row));
  }

  /** Samples that were overwritten before they were drained, since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Workers whose memory was reused before their last samples were drained: how many samples, is unknown. */
  get closedTooLate(): number {
    return this.#closedTooLate;
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant, numbersFrom } = announcement;
        const known = this.#there.get(workerId);
        // May be announced twice: in the roster and when it came.
        const isKnown = known?.row === row && known.occupant === occupant;
        const next = this.#occupantsBefore[row] === occupant ? undefined : 0;
        const cursor: Cursor = isKnown ? known : { workerId, row, occupant, numbersFrom, slot: undefined, next };
        this.#there.set(workerId, cursor);
        this.#attach(cursor, announcement.slot);
        return;
      }
      case 'slotGrown': {
        const cursor = this.#there.get(announcement.workerId);
        if (cursor !== undefined) this.#attach(cursor, announcement.slot);
        return;
      }
      case 'slotGone': {
        const cursor = this.#there.get(announcement.workerId);
        if (cursor === undefined) return;
        this.#there.delete(announcement.workerId);
        this.#leaving.set(keyOf(cursor), cursor);
        return;
      }
      case 'slotClosed': {
        const cursor = this.#leaving.get(keyOf(announcement));
        if (cursor === undefined) return;
        this.#leaving.delete(keyOf(announcement));
        cursor.slot = new SlotReader(announcement.slot, announcement.tenancy);
        this.#closed.push(cursor);
        return;
      }
      default:
      // Does not concern samples.
    }
  }

  /** Delivers each worker's samples since the last time; workers without new ones are skipped. */
  drain(take: TakeSamples): void {
    for (let [cursor] = this.#closed; cursor !== undefined; [cursor] = this.#closed) {
      this.#drainLast(cursor, take);
      this.#closed.shift();
    }
    for (const cursor of this.#there.values()) {
      // The memory may belong to another worker, which is announced later.
      if (cursor.slot === undefined || !this.#isThere(cursor)) continue;
      try {
        this.#copy(cursor, cursor.slot);
      } catch (error) {
        if (error instanceof SlotGone) continue;
        throw error;
      }
      this.#handOver(cursor, take);
    }
  }

  #drainLast(cursor: Cursor, take: TakeSamples): void {
    try {
      this.#copy(cursor, cursor.slot as SlotReader);
    } catch (error) {
      if (!(error instanceof SlotGone)) throw error;
      this.#closedTooLate++;
      return;
    }
    this.#handOver(cursor, take);
  }

  /** As in slot-shelf.ts: attach, then check whether the row is still the worker's. */
  #attach(cursor: Cursor, memory: SlotMemory): void {
    const slot = new SlotReader(memory);
    if (!this.#isThere(cursor)) return;
    cursor.slot = slot;
    cursor.next ??= slot.firstSample;
  }

  #isThere({ row, occupant }: Cursor): boolean {
    return this.#board.isOccupiedBy(row, occupant);
  }

  #copy(cursor: Cursor, slot: SlotReader): void {
    slot.samplesSince(cursor.next ?? slot.firstSample, this.#columns);
  }

  #handOver(cursor: Cursor, take: TakeSamples): void {
    const columns = this.#columns;
    if (columns.count > 0) take(cursor.workerId, columns, cursor.numbersFrom);
    cursor.next = columns.to;
    this.#lost += columns.lost;
  }
}

function keyOf({ row, occupant }: { readonly row: number; readonly occupant: number }): string {
  return `${row} ${occupant}`;
}
