/** The known workers, and main's data of each. */
import type { ExpectedMetrics } from '../../lane/messages.ts';
import type { WorkerEvent } from '../../model/events.ts';
import { NEVER_MS } from '../../model/heartbeat-rate.ts';
import type { Holds } from '../../model/holds.ts';
import { type Isolation, wishesOwnLane } from '../../model/isolation.ts';
import type { LaneFault, LaneLimit } from '../../model/lanes.ts';
import { isAbsentIn } from '../../model/liveness.ts';
import type { PendingWorker } from '../../model/pending.ts';
import type { PromMetric } from '../../model/prom-metric.ts';
import type { RecordMemoryView } from '../../model/record-memory.ts';
import type { RingMemoryView } from '../../model/ring-memory.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';
import { type Announcement, announcementsOf, Directory, type WorkerEntry } from '../../reading/directory.ts';
import type { SlotKey } from '../../reading/sample-drain.ts';
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

/**
 * Closed slots that are kept while the thread that stores samples is gone, beyond RING_MEMORY: a fleet of 1,500 that leaves with full
 * rings, and as many slots as are kept for reuse.
 */
const MAX_CLOSED_BYTES = 64 * 1024 ** 2;
const MAX_CLOSED = 4096;

interface ClosedSlot {
  readonly announcement: Extract<Announcement, { readonly type: 'slotClosed' }>;
  readonly closedMs: number;
  readonly release: () => void;
}

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
  untoldExpected: ExpectedMetrics | undefined = undefined;
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
  readonly #closed = new Map<string, ClosedSlot>();
  #closedBytes = 0;
  #closedGivenUp = 0;
  /** Whether a closed slot is kept until its last samples are settled. */
  keepsClosed = false;

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
  close(
    { workerId, row, occupant, numbersFrom, slot }: RosterEntry,
    nowMs: number,
    /** The memory may be reused in a few seconds. */
    release: () => void,
  ): void {
    const { memory, tenancy } = slot;
    const announcement = { type: 'slotClosed', workerId, row, occupant, numbersFrom, slot: memory, tenancy } as const;
    this.#closed.set(keyOf({ row, occupant }), { announcement, closedMs: nowMs, release });
    this.#closedBytes += memory.byteLength;
    if (!this.keepsClosed) release();
    this.#announce(announcement);
  }

  /** Forgets closed slots whose memory may be reused; those that are kept, oldest first, only when too many are. */
  forgetClosed(nowMs: number): void {
    for (const [key, closed] of this.#closed) {
      const isFew = this.#closed.size <= MAX_CLOSED && this.#closedBytes <= MAX_CLOSED_BYTES;
      if (nowMs - closed.closedMs < SAMPLES_COOL_MS || (this.keepsClosed && isFew)) return;
      this.#forget(key, closed);
      if (this.keepsClosed) this.#closedGivenUp++;
    }
  }

  /** What the last samples of these slots were needed for is done. */
  settled(slots: readonly SlotKey[]): void {
    for (const slot of slots) {
      const key = keyOf(slot);
      const closed = this.#closed.get(key);
      if (closed !== undefined) this.#forget(key, closed);
      // It was given up here, but had been copied in time.
      else this.#closedGivenUp = Math.max(0, this.#closedGivenUp - 1);
    }
  }

  /** Closed slots that were forgotten before their last samples were settled. */
  get closedGivenUp(): number {
    return this.#closedGivenUp;
  }

  #forget(key: string, { announcement, release }: ClosedSlot): void {
    this.#closed.delete(key);
    this.#closedBytes -= announcement.slot.byteLength;
    if (this.keepsClosed) release();
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

  publishNodeMetrics(metrics: readonly PromMetric[]): void {
    this.#announce({ type: 'nodeMetrics', metrics });
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
    const { events, holds, pending, recordMemory, ringMemory, refusals, laneLimit, nodeMetrics } = this.#directory;
    return [...this.#byId.values()].flatMap(announcementsOf).concat(
      Array.from(this.#leaving, leavingOf),
      Array.from(this.#closed.values(), ({ announcement }) => announcement),
      { type: 'events', events: events.all() },
      { type: 'holds', holds },
      { type: 'pending', pending },
      { type: 'limits', counts: refusals },
      { type: 'recordMemory', memory: recordMemory },
      { type: 'ringMemory', memory: ringMemory },
      { type: 'nodeMetrics', metrics: nodeMetrics },
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

function keyOf({ row, occupant }: SlotKey): string {
  return `${row} ${occupant}`;
}

function leavingOf({ workerId, row, occupant, numbersFrom }: RosterEntry): Announcement {
  return { type: 'slotLeaving', workerId, row, occupant, numbersFrom };
}
