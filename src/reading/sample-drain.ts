/**
 * Drains the samples of all workers, for a reading thread that keeps them elsewhere: each sample once and in order, or counted
 * as lost. It is told what every reader is told; samples have to be kept (`samples` of the engine), for longer than the time
 * from one drain to the next.
 *
 * | a worker is | since         | its samples                                                             |
 * |-------------|---------------|-------------------------------------------------------------------------|
 * | there       | `slotAdded`   | are drained each time, from where the last drain ended                  |
 * | leaving     | `slotGone`    | may still become more: its lane is not done with what it was given      |
 * | closed      | `slotClosed`  | are drained once more, the last ones, and then it is let go of          |
 *
 * Of workers that were there before the drain it begins with the samples that are kept; those of before are not lost to it. Of
 * all others each sample counts, from the first, however late the drain hears of them.
 *
 * A drain is done with samples once `take` has returned: where that throws, they are handed over again by the next.
 */
import type { BoardReader } from '../store/board.ts';
import { SampleColumns } from '../store/sample-columns.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';
import type { Announcement } from './directory.ts';

/** @param columns valid during the call */
export type TakeSamples = (workerId: string, columns: SampleColumns) => void;

interface Cursor {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  /** Undefined while it is not sure that the memory is this worker's. */
  slot: SlotReader | undefined;
  /** Number of the sample to go on with; undefined: it has not been looked. */
  next: number | undefined;
}

export class SampleDrain {
  readonly #board: BoardReader;
  /** By row: whose it was before the drain. */
  readonly #occupantsBefore: Int32Array;
  readonly #there = new Map<string, Cursor>();
  /** By row and occupant: the next worker of that name may be there already. */
  readonly #leaving = new Map<string, Cursor>();
  readonly #closed: Cursor[] = [];
  readonly #columns = new SampleColumns();
  #lost = 0;
  #closedTooLate = 0;

  /** To be made before anything is announced to it. */
  constructor(board: BoardReader) {
    this.#board = board;
    this.#occupantsBefore = Int32Array.from({ length: board.capacity }, (_, row) => board.occupantOf(row));
  }

  /** Samples that were gone before they were drained, since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Workers whose memory was the next worker's before their last samples were drained: how many these were nobody knows. */
  get closedTooLate(): number {
    return this.#closedTooLate;
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant } = announcement;
        const known = this.#there.get(workerId);
        // It may be told twice, by the roster and when it came.
        const isKnown = known?.row === row && known.occupant === occupant;
        const next = this.#occupantsBefore[row] === occupant ? undefined : 0;
        const cursor: Cursor = isKnown ? known : { workerId, row, occupant, slot: undefined, next };
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
      // Nothing of samples.
    }
  }

  /** Hands over what there is of each worker since the last time; those of whom there is nothing new are left out. */
  drain(take: TakeSamples): void {
    for (let [cursor] = this.#closed; cursor !== undefined; [cursor] = this.#closed) {
      this.#drainLast(cursor, take);
      this.#closed.shift();
    }
    for (const cursor of this.#there.values()) {
      // Its memory may be another's, of which this thread is told later.
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

  /** As slot-shelf.ts has it: attach, then look whether the row is still the worker's. */
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
    if (columns.count > 0) take(cursor.workerId, columns);
    cursor.next = columns.to;
    this.#lost += columns.lost;
  }
}

function keyOf({ row, occupant }: { readonly row: number; readonly occupant: number }): string {
  return `${row} ${occupant}`;
}
