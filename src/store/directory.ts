/**
 * Which workers there are and where their memory is, as one reading thread knows it. Fed by the announcements that the
 * main thread sends to every reader, in order.
 */

import type { LaneFault } from '../model/lanes.ts';
import { telemetryOf } from '../model/record-json.ts';
import type { WorkerTelemetry } from '../model/telemetry.ts';
import type { BoardReader } from './board.ts';
import type { SlotMemory } from './slot-memory.ts';
import { SlotReader } from './slot-reader.ts';

/** From main to every reader. */
export type Announcement =
  | {
      readonly type: 'slotAdded';
      readonly workerId: string;
      readonly row: number;
      readonly occupant: number;
      readonly slot: SlotMemory;
    }
  | { readonly type: 'slotGrown'; readonly workerId: string; readonly slot: SlotMemory }
  | { readonly type: 'slotGone'; readonly workerId: string }
  /** A lane failed, and the worker was charged with it. */
  | { readonly type: 'laneFault'; readonly workerId: string; readonly fault: LaneFault };

/** One worker's memory, for reading. */
export interface WorkerEntry {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly slot: SlotReader;
  /** The last failure of a lane that was charged to it; undefined if none was. */
  readonly lastFault: LaneFault | undefined;
}

export class Directory {
  readonly board: BoardReader;
  readonly #entries = new Map<string, WorkerEntry>();

  constructor(board: BoardReader) {
    this.board = board;
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant, slot } = announcement;
        this.#entries.set(workerId, { workerId, row, occupant, slot: new SlotReader(slot), lastFault: undefined });
        return;
      }
      case 'slotGrown': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry === undefined) return;
        this.#entries.set(entry.workerId, { ...entry, slot: new SlotReader(announcement.slot) });
        return;
      }
      case 'laneFault': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#entries.set(entry.workerId, { ...entry, lastFault: announcement.fault });
        return;
      }
      case 'slotGone':
        this.#entries.delete(announcement.workerId);
        return;
      default:
        announcement satisfies never;
    }
  }

  /** The worker's memory; undefined if it is not known, or has just been forgotten. */
  get(workerId: string): WorkerEntry | undefined {
    const entry = this.#entries.get(workerId);
    return entry !== undefined && this.#isCurrent(entry) ? entry : undefined;
  }

  *all(): Generator<WorkerEntry> {
    for (const entry of this.#entries.values()) if (this.#isCurrent(entry)) yield entry;
  }

  get size(): number {
    return this.#entries.size;
  }

  telemetry(entry: WorkerEntry): WorkerTelemetry {
    return telemetryOf(entry.slot.jsonHead(), this.board.lastUpdateS(entry.row), this.board.isActive(entry.row));
  }

  /** The row may already belong to somebody else, whose announcement is on its way. */
  #isCurrent(entry: WorkerEntry): boolean {
    return this.board.isOccupiedBy(entry.row, entry.occupant);
  }
}
