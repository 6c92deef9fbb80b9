/** The workers that are known, and all that main keeps of each. */
import type { WorkerEvent } from '../../model/events.ts';
import { NEVER_MS } from '../../model/heartbeat-rate.ts';
import type { Holds } from '../../model/holds.ts';
import { type Isolation, wishesOwnLane } from '../../model/isolation.ts';
import type { LaneFault, LaneLimit } from '../../model/lanes.ts';
import { isAbsentIn } from '../../model/liveness.ts';
import type { PendingWorker } from '../../model/pending.ts';
import type { RecordMemoryView } from '../../model/record-memory.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';
import { type Announcement, announcementsOf, Directory, type WorkerEntry } from '../../reading/directory.ts';
import type { BoardReader } from '../../store/board.ts';
import type { SlotMemory } from '../../store/slot-memory.ts';
import { SlotReader } from '../../store/slot-reader.ts';
import { type FaultHistory, NO_FAULTS } from '../lanes/fault-history.ts';
import type { LaneHandle, LaneWorker } from '../lanes/lane-handle.ts';
import { NEW_PLACE, type WorkerPlace } from '../lanes/worker-place.ts';
import type { WorkerLiveness } from '../liveness/worker-liveness.ts';
import type { Mailbox } from './mailbox.ts';
import { noGarbage } from './record-memory.ts';

/** How many workers have become known in this process: their order alone counts, whichever engine knows them. */
let arrivals = 0;

/** One worker, as main knows it. Telemetry is not here but in the store. */
export class RosterEntry implements LaneWorker, WorkerEntry {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly mailbox: Mailbox;
  readonly liveness: WorkerLiveness;
  slot: SlotReader;
  /** What the worker said of itself when it registered; undefined if it only ever sent heartbeats. */
  facts: WorkerFacts | undefined;
  /** Of the bytes in which it said so last; undefined: nobody knows them. */
  infoDigest: string | undefined;
  place: WorkerPlace<LaneHandle> = NEW_PLACE;
  /** When its next heartbeat is due at the most that it may send, in monotonic time. */
  heartbeatDueMs = NEVER_MS;
  /** Slots of its that were let go of. */
  readonly garbage = noGarbage();
  /** Heartbeats that its lane had applied when somebody looked last … */
  appliedSeen = 0;
  /** … and rejected. */
  rejectionsSeen = 0;
  /** Once it is forgotten: how many heartbeats its lane was to apply or reject, modulo 2^32. */
  owed = 0;
  faults: FaultHistory = NO_FAULTS;
  /** The last failure of a lane that was charged to it; undefined if none was. */
  lastFault: LaneFault | undefined;
  /** What an operator decided about its lane. */
  isolation: Isolation = 'auto';
  /** It wishes for a lane of its own. */
  wishesOwnLane = false;
  isHeavy = false;
  readonly arrival = arrivals++;

  constructor(facts: {
    workerId: string;
    row: number;
    occupant: number;
    slot: SlotMemory;
    mailbox: Mailbox;
    liveness: WorkerLiveness;
  }) {
    this.workerId = facts.workerId;
    this.row = facts.row;
    this.occupant = facts.occupant;
    this.slot = new SlotReader(facts.slot);
    this.mailbox = facts.mailbox;
    this.liveness = facts.liveness;
  }

  /** Nobody is there who would need a lane. */
  get isAbsent(): boolean {
    return isAbsentIn(this.liveness.state);
  }

  /** The lane that takes its heartbeats; undefined before it has one and after it is forgotten. */
  get lane(): LaneHandle | undefined {
    return this.place.lane;
  }
}

/** Workers by id and by row; whoever reads in other threads is told of each change by an announcement. */
export class Roster {
  readonly #byId = new Map<string, RosterEntry>();
  readonly #byRow = new Map<number, RosterEntry>();
  readonly #listeners = new Set<(announcement: Announcement) => void>();
  readonly #directory: Directory;

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

  /** Of a worker that a lane speaks of; undefined if it is forgotten, whoever has its row by now. */
  entryOf(worker: LaneWorker): RosterEntry | undefined {
    const entry = this.#byRow.get(worker.row);
    return entry === worker ? entry : undefined;
  }

  all(): Iterable<RosterEntry> {
    return this.#byId.values();
  }

  /** For reading telemetry on the main thread. */
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
    this.#announce({ type: 'slotGone', workerId: entry.workerId });
  }

  /** Nobody writes the slot of the worker any more, which is removed. */
  close({ row, occupant, slot }: RosterEntry): void {
    this.#announce({ type: 'slotClosed', row, occupant, slot: slot.memory, tenancy: slot.tenancy });
  }

  /** For readers elsewhere: they are in the log of this thread's directory already. */
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

  /** To readers in other threads. */
  publishSlotsLetGo(): void {
    for (const listener of this.#listeners) listener({ type: 'slotsLetGo' });
  }

  /** Everything that a new reader must know, to be followed by what `listen` hears. */
  announcements(): Announcement[] {
    const { events, holds, pending, recordMemory, refusals, laneLimit } = this.#directory;
    return [...this.#byId.values()]
      .flatMap(announcementsOf)
      .concat(
        { type: 'events', events: events.all() },
        { type: 'holds', holds },
        { type: 'pending', pending },
        { type: 'limits', counts: refusals },
        { type: 'recordMemory', memory: recordMemory },
        ...(laneLimit === undefined ? [] : [{ type: 'laneLimit', limit: laneLimit } as const]),
      );
  }

  /** @returns how to stop listening. */
  listen(listener: (announcement: Announcement) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(announcement: Announcement): void {
    this.#directory.apply(announcement);
    for (const listener of this.#listeners) listener(announcement);
  }
}
