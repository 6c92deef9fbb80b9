/**
 * Which workers there are and where their memory is, as one reading thread knows it. Fed by the announcements that the
 * main thread sends to every reader, in order.
 */
import { EventLog, type WorkerEvent } from '../model/events.ts';
import { type Holds, NO_HOLDS } from '../model/holds.ts';
import type { Isolation } from '../model/isolation.ts';
import type { LaneFault, LaneLimit } from '../model/lanes.ts';
import type { PendingWorker } from '../model/pending.ts';
import { type ReadinessFacts, STARTING } from '../model/readiness.ts';
import { recordJsonTail, type TelemetryJson, telemetryOfJson } from '../model/record-json.ts';
import { NO_RECORD_MEMORY, type RecordMemoryView } from '../model/record-memory.ts';
import type { WorkerTelemetry } from '../model/telemetry.ts';
import type { WorkerFacts } from '../model/worker-facts.ts';
import type { BoardReader } from '../store/board.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';

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
  /** Much memory of slots was let go of: it is free when every thread that saw it has collected its garbage. */
  | { readonly type: 'slotsLetGo' }
  | { readonly type: 'slotGone'; readonly workerId: string }
  /**
   * The lane of a worker that is gone has left its slot: nobody writes it any more, and in some seconds it may be another's.
   * Only while samples are kept, for those who drain them: the last ones can be read now.
   */
  | {
      readonly type: 'slotClosed';
      readonly row: number;
      readonly occupant: number;
      readonly slot: SlotMemory;
      /** Which worker of those that this memory serves one after the other it was, see slot-shelf.ts. */
      readonly tenancy: number;
    }
  /** What the worker said of itself when it registered. */
  | { readonly type: 'workerFacts'; readonly workerId: string; readonly facts: WorkerFacts }
  /** A lane failed, and the worker was charged with it. */
  | { readonly type: 'laneFault'; readonly workerId: string; readonly fault: LaneFault }
  /** An operator decided which kind of lane the worker is to have. */
  | { readonly type: 'isolation'; readonly workerId: string; readonly isolation: Isolation }
  /** In the order in which they happened. */
  | { readonly type: 'events'; readonly events: readonly WorkerEvent[] }
  /** What keeps main from judging, as it is now. */
  | { readonly type: 'holds'; readonly holds: Holds }
  /** Who waits for approval; at most once a second. */
  | { readonly type: 'pending'; readonly pending: readonly PendingWorker[] }
  /** Whether the master is to be given work. */
  | { readonly type: 'readiness'; readonly readiness: ReadinessFacts }
  /** What is held of the memory for records; at most once a second. */
  | { readonly type: 'recordMemory'; readonly memory: RecordMemoryView }
  /** What was refused since the start, by reason. */
  | { readonly type: 'limits'; readonly counts: Readonly<Record<string, number>> }
  /** What keeps the number of dedicated lanes where it is. */
  | { readonly type: 'laneLimit'; readonly limit: LaneLimit };

/** One worker's memory, for reading. */
export interface WorkerEntry {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly slot: SlotReader;
  /** What it said of itself when it registered; undefined if it only ever sent heartbeats. */
  readonly facts: WorkerFacts | undefined;
  /** The last failure of a lane that was charged to it; undefined if none was. */
  readonly lastFault: LaneFault | undefined;
  /** What an operator decided about its lane. */
  readonly isolation: Isolation;
}

/** What a reader that does not know the worker must be told of it. */
export function announcementsOf({
  workerId,
  row,
  occupant,
  slot,
  facts,
  lastFault: fault,
  isolation,
}: WorkerEntry): Announcement[] {
  return [
    { type: 'slotAdded', workerId, row, occupant, slot: slot.memory },
    ...(facts === undefined ? [] : [{ type: 'workerFacts', workerId, facts } as const]),
    ...(fault === undefined ? [] : [{ type: 'laneFault', workerId, fault } as const]),
    ...(isolation === 'auto' ? [] : [{ type: 'isolation', workerId, isolation } as const]),
  ];
}

/**
 * What `read` reads of the worker, from its slot and its row; undefined if the worker is forgotten, which this thread may be
 * told of later. Whoever is not main reads of a worker in here: see slot-shelf.ts.
 */
export function readWhileThere<T>(board: BoardReader, { row, occupant }: WorkerEntry, read: () => T): T | undefined {
  if (!board.isOccupiedBy(row, occupant)) return undefined;
  let value: T;
  try {
    value = read();
  } catch (error) {
    if (error instanceof SlotGone) return undefined;
    throw error;
  }
  // Asked once more: if the row is the worker's still, so was all that was read of it.
  return board.isOccupiedBy(row, occupant) ? value : undefined;
}

/** Of a worker that has just come. */
const NOTHING_KNOWN = { facts: undefined, lastFault: undefined, isolation: 'auto' } as const;

export class Directory {
  readonly board: BoardReader;
  /** What happened of late. */
  readonly events = new EventLog();
  #holds = NO_HOLDS;
  #pending: readonly PendingWorker[] = [];
  #readiness = STARTING;
  #recordMemory = NO_RECORD_MEMORY;
  #refusals: Readonly<Record<string, number>> = {};
  #laneLimit: LaneLimit | undefined;
  readonly #entries = new Map<string, WorkerEntry>();
  readonly #rows: (WorkerEntry | undefined)[] = [];

  constructor(board: BoardReader) {
    this.board = board;
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant, slot } = announcement;
        this.#remove(workerId);
        const reader = new SlotReader(slot);
        this.#entries.set(workerId, { workerId, row, occupant, slot: reader, ...NOTHING_KNOWN });
        this.#place(row, this.#entries.get(workerId));
        return;
      }
      case 'slotGrown': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry === undefined) return;
        this.#replace(entry, { ...entry, slot: new SlotReader(announcement.slot) });
        return;
      }
      case 'workerFacts': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, facts: announcement.facts });
        return;
      }
      case 'laneFault': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, lastFault: announcement.fault });
        return;
      }
      case 'isolation': {
        const entry = this.#entries.get(announcement.workerId);
        if (entry !== undefined) this.#replace(entry, { ...entry, isolation: announcement.isolation });
        return;
      }
      case 'slotsLetGo':
      case 'slotClosed':
        // For the thread as a whole; for those who drain samples.
        return;
      case 'slotGone':
        this.#remove(announcement.workerId);
        return;
      case 'events':
        for (const event of announcement.events) this.events.add(event);
        return;
      case 'holds':
        this.#holds = announcement.holds;
        return;
      case 'pending':
        this.#pending = announcement.pending;
        return;
      case 'readiness':
        this.#readiness = announcement.readiness;
        return;
      case 'recordMemory':
        this.#recordMemory = announcement.memory;
        return;
      case 'limits':
        this.#refusals = announcement.counts;
        return;
      case 'laneLimit':
        this.#laneLimit = announcement.limit;
        return;
      default:
        announcement satisfies never;
    }
  }

  /** What keeps main from judging. */
  get holds(): Holds {
    return this.#holds;
  }

  /** Workers that wait for approval, the one unheard for longest first; a second old at the most. */
  get pending(): readonly PendingWorker[] {
    return this.#pending;
  }

  /** What main tells of itself; to readers in other threads alone. */
  get readiness(): ReadinessFacts {
    return this.#readiness;
  }

  /** What is held of the memory for records; a second old at most. */
  get recordMemory(): RecordMemoryView {
    return this.#recordMemory;
  }

  /** What was refused since the start, by reason; a second old at most. */
  get refusals(): Readonly<Record<string, number>> {
    return this.#refusals;
  }

  /** Undefined where nobody has told it. */
  get laneLimit(): LaneLimit | undefined {
    return this.#laneLimit;
  }

  /** The worker's memory; undefined if it is not known, or has just been forgotten. */
  get(workerId: string): WorkerEntry | undefined {
    const entry = this.#entries.get(workerId);
    return entry !== undefined && this.#isCurrent(entry) ? entry : undefined;
  }

  *all(): Generator<WorkerEntry> {
    for (const entry of this.#entries.values()) if (this.#isCurrent(entry)) yield entry;
  }

  /**
   * The same workers by their row of the board, undefined where there is none: a place that a worker keeps, for those
   * who remember something of each. Whether the row is still theirs is for the caller to ask.
   */
  get rows(): readonly (WorkerEntry | undefined)[] {
    return this.#rows;
  }

  get size(): number {
    return this.#entries.size;
  }

  telemetry(entry: WorkerEntry): WorkerTelemetry {
    const tail = recordJsonTail(this.board.lastUpdateS(entry.row), this.board.isActive(entry.row));
    return telemetryOfJson(JSON.parse(entry.slot.json(tail)) as TelemetryJson);
  }

  #replace(entry: WorkerEntry, by: WorkerEntry): void {
    this.#entries.set(entry.workerId, by);
    if (this.#rows[entry.row] === entry) this.#place(entry.row, by);
  }

  #remove(workerId: string): void {
    const entry = this.#entries.get(workerId);
    if (entry === undefined) return;
    this.#entries.delete(workerId);
    if (this.#rows[entry.row] === entry) this.#place(entry.row, undefined);
  }

  #place(row: number, entry: WorkerEntry | undefined): void {
    // No holes, which would make every later look slower.
    while (this.#rows.length <= row) this.#rows.push(undefined);
    this.#rows[row] = entry;
  }

  /** The row may already belong to somebody else, whose announcement is on its way. */
  #isCurrent(entry: WorkerEntry): boolean {
    return this.board.isOccupiedBy(entry.row, entry.occupant);
  }
}
