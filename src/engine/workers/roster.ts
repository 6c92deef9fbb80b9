/** The known workers, and main's data of each. */
import type { WorkerEvent } from '../../model/events.ts';
import { NEVER_MS } from '../../model/heartbeat-rate.ts';
import type { Holds } from '../../model/holds.ts';
import { type Isolation, wishesOwnLane } from '../../model/isolation.ts';
import type { LaneFault, LaneLimit } from '../../model/lanes.ts';
import { isAbsentIn } from '../../model/liveness.ts';
import type { PendingWorker } from '../../model/pending.ts';
import type { RecordMemoryView } from '../../model/record-memory.ts';
import type { RingMemoryView } from '../../model/ring-memory.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';
import { type Announcement, announcementsOf, Directory, type WorkerEntry } from '../../reading/directory.ts';
import type { BoardReader } from '../../store/board.ts';
import type { SlotMemory } from '../../store/slot-memory.ts';
import { SlotReader } from '../../store/slot-reader.ts';
import { SAMPLES_COOL_MS } from '../../store/slot-shelf.ts';
import { type FaultHistory, NO_FAULTS } from '../lanes/fault-history.ts';
import type { LaneHandle, LaneWorker } from '../lanes/lane-handle.ts';
import { NEW_PLACE, type WorkerPlace } from '../lanes/worker-place.ts';
import type { WorkerLiveness } from '../liveness/worker-liveness.ts';
import type { Mailbox } from './mailbox.ts';
import { noGarbage } from './record-memory.ts';

/** Number of workers admitted in this process; used only to order them, across engines. */
let arrivals = 0;

const NONE: readonly number[] = [];

/** Main's data of one worker. Its telemetry is in the store. */
export class RosterEntry implements LaneWorker, WorkerEntry {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly numbersFrom: number;
  readonly mailbox: Mailbox;
  readonly liveness: WorkerLiveness;
  slot: SlotReader;
  /** Its last registration; undefined if it only ever sent heartbeats. */
  facts: WorkerFacts | undefined;
  /** Digest of its encoded registration; undefined: unknown. */
  infoDigest: string | undefined;
  place: WorkerPlace<LaneHandle> = NEW_PLACE;
  /** When its next heartbeat is within the rate limit, in monotonic time. */
  heartbeatDueMs = NEVER_MS;
  /** Its released slots. */
  readonly garbage = noGarbage();
  /** Heartbeats applied by its lane at the last look … */
  appliedSeen = 0;
  /** … and rejected. */
  rejectionsSeen = 0;
  /** Number of rejections reported to the sender, modulo 2^32 … */
  rejectionsTold = 0;
  /** … and the ordinals of heartbeats whose rejection was reported before their lane processed them, oldest first. */
  foretold: readonly number[] = NONE;
  /** After its removal: number of heartbeats that its lane was to apply or reject, modulo 2^32. */
  owed = 0;
  faults: FaultHistory = NO_FAULTS;
  /** The last lane failure charged to it; undefined if none. */
  lastFault: LaneFault | undefined;
  /** The operator's decision about its lane. */
  isolation: Isolation = 'auto';
  /** Whether its label requests a dedicated lane. */
  wishesOwnLane = false;
  isHeavy = false;
  readonly arrival = arrivals++;

  constructor(facts: {
    workerId: string;
    row: number;
    occupant: number;
    numbersFrom: number;
    slot: SlotMemory;
    mailbox: Mailbox;
    liveness: WorkerLiveness;
  }) {
    this.workerId = facts.workerId;
    this.row = facts.row;
    this.occupant = facts.occupant;
    this.numbersFrom = facts.numbersFrom;
    this.slot = new SlotReader(facts.slot);
    this.mailbox = facts.mailbox;
    this.liveness = facts.liveness;
  }

  /** Whether the worker is absent and needs no lane. */
  get isAbsent(): boolean {
    return isAbsentIn(this.liveness.state);
  }

  /** The lane that serves it; undefined before it has one and after its removal. */
  get lane(): LaneHandle | undefined {
    return this.place.lane;
  }
}

/** Workers by id and by row; readers in other threads follow it by announcements. */
export class Roster {
  readonly #byId = new Map<string, RosterEntry>();
  readonly #byRow = new Map<number, RosterEntry>();
  readonly #listeners = new Set<(announcement: Announcement) => void>();
  readonly #directory: Directory;
  /** Removed, and their lanes have not left their slots yet. */
  readonly #leaving = new Set<RosterEntry>();
  /** Whose last samples a new reader may still get, and since when; oldest first. */
  readonly #closed = new Map<Announcement, number>();

  constructor(board: BoardReader) {
    this.#directory = new Directory(board);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(workerId: string): RosterEntry | undefined {
    return this.#byId.get(workerId);
  }

  atRow(row: number): RosterEntry | undefined {
    return this.#byRow.get(row);
  }

  /** The entry of a worker that a lane refers to; undefined if it was removed, even if its row is reused. */
  entryOf(worker: LaneWorker): RosterEntry | undefined {
    const entry = this.#byRow.get(worker.row);
    return entry === worker ? entry : undefined;
  }

  all(): Iterable<RosterEntry> {
    return this.#byId.values();
  }

  /** Telemetry for readers on the main thread. */
  get directory(): Directory {
    return this.#directory;
  }

  add(entry: RosterEntry): void {
    this.#byId.set(entry.workerId, entry);
    this.#byRow.set(entry.row, entry);
    for (const announcement of announcementsOf(entry)) this.#announce(announcement);
  }

  grow(entry: RosterEntry, slot: SlotMemory): void {
    entry.slot = new SlotReader(slot);
    this.#announce({ type: 'slotGrown', workerId: entry.workerId, slot });
  }

  describe(entry: RosterEntry, facts: WorkerFacts): void {
    entry.facts = facts;
    entry.wishesOwnLane = wishesOwnLane(facts.labels);
    this.#announce({ type: 'workerFacts', workerId: entry.workerId, facts });
  }

  charge(entry: RosterEntry, fault: LaneFault): void {
    entry.lastFault = fault;
    this.#announce({ type: 'laneFault', workerId: entry.workerId, fault });
  }

  decide(entry: RosterEntry, isolation: Isolation): void {
    entry.isolation = isolation;
    this.#announce({ type: 'isolation', workerId: entry.workerId, isolation });
  }

  remove(entry: RosterEntry): void {
    this.#byId.delete(entry.workerId);
    this.#byRow.delete(entry.row);
    this.#leaving.add(entry);
    this.#announce({ type: 'slotGone', workerId: entry.workerId });
  }

  /** The removed worker's lane has left its slot. */
  left(entry: RosterEntry): void {
    this.#leaving.delete(entry);
  }

  /** No thread writes the removed worker's slot any more. */
  close({ workerId, row, occupant, numbersFrom, slot }: RosterEntry, nowMs: number): void {
    const { memory, tenancy } = slot;
    const closed = { type: 'slotClosed', workerId, row, occupant, numbersFrom, slot: memory, tenancy } as const;
    this.#closed.set(closed, nowMs);
    this.#announce(closed);
  }

  /** Forgets closed slots whose memory may be reused. */
  forgetClosed(nowMs: number): void {
    for (const [closed, closedMs] of this.#closed) {
      if (nowMs - closedMs < SAMPLES_COOL_MS) return;
      this.#closed.delete(closed);
    }
  }

  /** Publishes to readers in other threads; this thread's directory already has the events. */
  publishEvents(events: readonly WorkerEvent[]): void {
    for (const listener of this.#listeners) listener({ type: 'events', events });
  }

  publishHolds(holds: Holds): void {
    this.#announce({ type: 'holds', holds });
  }

  publishPending(pending: readonly PendingWorker[]): void {
    this.#announce({ type: 'pending', pending });
  }

  publishLimits(counts: Readonly<Record<string, number>>): void {
    this.#announce({ type: 'limits', counts });
  }

  publishLaneLimit(limit: LaneLimit): void {
    this.#announce({ type: 'laneLimit', limit });
  }

  publishRecordMemory(memory: RecordMemoryView): void {
    this.#announce({ type: 'recordMemory', memory });
  }

  publishRingMemory(memory: RingMemoryView): void {
    this.#announce({ type: 'ringMemory', memory });
  }

  /** Publishes to readers in other threads. */
  publishSlotsLetGo(): void {
    for (const listener of this.#listeners) listener({ type: 'slotsLetGo' });
  }

  /** The announcements that a new reader needs first, before those received by `listen`. */
  announcements(): Announcement[] {
    const { events, holds, pending, recordMemory, ringMemory, refusals, laneLimit } = this.#directory;
    return [...this.#byId.values()]
      .flatMap(announcementsOf)
      .concat(
        Array.from(this.#leaving, leavingOf),
        ...this.#closed.keys(),
        { type: 'events', events: events.all() },
        { type: 'holds', holds },
        { type: 'pending', pending },
        { type: 'limits', counts: refusals },
        { type: 'recordMemory', memory: recordMemory },
        { type: 'ringMemory', memory: ringMemory },
        ...(laneLimit === undefined ? [] : [{ type: 'laneLimit', limit: laneLimit } as const]),
      );
  }

  /** @returns a function that removes the listener */
  listen(listener: (announcement: Announcement) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(announcement: Announcement): void {
    this.#directory.apply(announcement);
    for (const listener of this.#listeners) listener(announcement);
  }
}

function leavingOf({ workerId, row, occupant, numbersFrom }: RosterEntry): Announcement {
  return { type: 'slotLeaving', workerId, row, occupant, numbersFrom };
}
