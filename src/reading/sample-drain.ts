/**
 * Drains the samples of all workers, for a reading thread that stores them elsewhere: each sample once and in order, or counted
 * as lost. It gets the announcements that every reader gets. To read the samples of one worker, see ring-samples.ts: both go
 * through `SlotReader.samplesSince`, and no reader affects another.
 *
 * | a worker is | since         | its samples                                                                         |
 * |-------------|---------------|-------------------------------------------------------------------------------------|
 * | present     | `slotAdded`   | are in its ring, and handed over from where the last drain ended                    |
 * | leaving     | `slotGone`    | may still grow: its lane has not finished its heartbeats (`slotLeaving`: to a new   |
 * |             |               | drain). Those of its next life wait for them                                        |
 * | closed      | `slotClosed`  | are copied at once, since its memory is reused, and kept until they are committed   |
 *
 *     drain(take) ──► handed over ──► commit()     the next drain goes on behind them
 *                                └──► rollback()   the next drain hands them over again
 *
 * What was handed over stays in the ring, where newer samples overwrite it in the end, committed or not: `waiting` tells how much of
 * each ring is not committed, so that the thread can keep it elsewhere in time, and commit. A ring may be halved at any heartbeat,
 * when all rings have to shorten: half of a ring is the most that may wait safely.
 *
 * Where a worker begins:
 *
 * | the drain           | the worker               | begins with                                                      |
 * |---------------------|--------------------------|------------------------------------------------------------------|
 * | is the first        | existed before the drain | the samples that are kept; earlier ones do not count as lost     |
 * |                     | came later               | its first sample, however late the drain learns of it            |
 * | continues another,  | has a cursor of this run | that cursor                                                      |
 * | see `resume`        | has none                 | its first sample                                                 |
 *
 * With a worker's samples, it hands over what happened to its tasks in them (the slot's task log), on the same terms: each change once and
 * in order, committed with the samples, or counted as lost. Where changes are lost, the list of tasks as it is now follows. Changes of a
 * sample that is just being published may come with the sample before, and then again after a restart: see history/task-runs.ts.
 *
 * A ring counts its worker's samples from 0, modulo 2^32. In history their numbers begin at `numbersFrom`, so that a worker that is
 * removed and comes back has higher numbers than before.
 */
import { listedEvent, type TaskChange } from '../model/task-change.ts';
import type { BoardReader } from '../store/board.ts';
import { SampleColumns } from '../store/sample-columns.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';
import type { TaskEntry } from '../store/task-entry.ts';
import { LOG_BEGIN, type TaskLogEnd } from '../store/task-log.ts';
import type { Announcement } from './directory.ts';
import { MAX_CLOSED_BYTES } from './reading-limits.ts';

/**
 * @param columns valid only during the call. `lost` samples came before the first of them; `count` may be 0 then
 * @param numbersFrom to be added to their numbers, see directory.ts
 * @param previousUnixMs receipt of the worker's last sample before them; undefined: this drain has not seen it
 * @param tasks what happened to the worker's tasks; ends with `gone` for a removed worker, of which there may be no samples
 * @returns `false`: they were not taken, and the drain ends here; the next one begins with this worker
 */
export type TakeSamples = (
  workerId: string,
  columns: SampleColumns,
  numbersFrom: number,
  previousUnixMs: number | undefined,
  tasks: DrainedTasks,
) => unknown;

export interface DrainedTasks {
  readonly changes: readonly TaskChange[];
  /** Changes that were overwritten before they were handed over. */
  readonly lost: number;
}

/** Which samples of a run of the master are durable: those before `next`, as numbered in history. */
export interface CommittedSamples {
  readonly bootId: string;
  readonly next: number;
}

export interface DrainOptions {
  /** Maximum size of the samples of removed workers that are not committed; beyond, the oldest are counted as lost. */
  readonly maxClosedBytes?: number;
}

export interface DrainScope {
  /** Only workers of whose ring or task log at least this part, 0 to 1, is not committed, and closed ones. Default 0: all. */
  readonly fullerThan?: number;
}

/** A place among a worker's samples. */
interface Place {
  /** The number of the next sample; undefined: not known yet. */
  readonly next: number | undefined;
  /** Receipt of the last sample before. */
  readonly previousUnixMs: number | undefined;
  /** Samples lost before. */
  readonly lost: number;
  /** Where its task log goes on; undefined: nothing was handed over of it. */
  readonly tasks: TaskLogEnd | undefined;
  readonly lostTaskChanges: number;
  /** It was removed, and this was handed over. */
  readonly isGone: boolean;
}

const NOWHERE: Place = {
  next: undefined,
  previousUnixMs: undefined,
  lost: 0,
  tasks: undefined,
  lostTaskChanges: 0,
  isGone: false,
};

type SlotClosed = Extract<Announcement, { readonly type: 'slotClosed' }>;

/** Which worker had a slot. */
export type SlotKey = Pick<SlotClosed, 'row' | 'occupant'>;

type Identity = Pick<Cursor, 'workerId' | 'row' | 'occupant' | 'numbersFrom'>;

class Cursor {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly numbersFrom: number;
  /** Undefined until it is certain that the memory is this worker's. */
  slot: SlotReader | undefined;
  handedOver = NOWHERE;
  committed = NOWHERE;
  /** It goes on where an earlier drain has committed. */
  isResumed = false;
  /** It left before the drain was created. */
  readonly isFromBefore: boolean;

  constructor({ workerId, row, occupant, numbersFrom }: Identity, isFromBefore = false) {
    this.isFromBefore = isFromBefore;
    this.workerId = workerId;
    this.row = row;
    this.occupant = occupant;
    this.numbersFrom = numbersFrom;
  }

  beginAt(next: number): void {
    this.committed = { ...this.committed, next };
    this.handedOver = this.committed;
  }

  advance(columns: SampleColumns, tasks: CopiedTasks): void {
    const { lost, lostTaskChanges, previousUnixMs } = this.handedOver;
    this.handedOver = {
      next: columns.to,
      previousUnixMs: columns.count > 0 ? columns.receivedUnixMs[columns.count - 1] : previousUnixMs,
      lost: lost + columns.lost,
      tasks: tasks.end,
      lostTaskChanges: lostTaskChanges + tasks.lost,
      isGone: tasks.isGone,
    };
  }
}

interface CopiedTasks extends DrainedTasks {
  readonly end: TaskLogEnd | undefined;
  readonly isGone: boolean;
}

/** A removed worker of which not everything is committed: a copy of that. */
interface Closed {
  readonly cursor: Cursor;
  readonly columns: SampleColumns;
  tasks: CopiedTasks;
  /** How many changes were lost since what was handed over, and not committed, when it was closed; undefined: everything was. */
  inFlight: { readonly end: TaskLogEnd | undefined; readonly lost: number } | undefined;
}

/** Mean size of a change of tasks in memory, rounded up. */
const CHANGE_BYTES = 256;

export class SampleDrain {
  readonly #board: BoardReader;
  readonly #maxClosedBytes: number;
  /** By row: its worker when the drain was created. */
  readonly #occupantsBefore: Int32Array;
  readonly #there = new Map<string, Cursor>();
  /** By row and occupant: the next worker of that name may already exist. */
  readonly #leaving = new Map<string, Cursor>();
  readonly #closed = new Set<Closed>();
  #closedBytes = 0;
  #settled: SlotKey[] = [];
  /** Those with samples that were handed over since the last commit. */
  readonly #touched = new Set<Cursor>();
  /** The worker at which the last drain ended early. */
  #nextInTurn: string | undefined;
  #earlier: ReadonlyMap<string, CommittedSamples> | undefined;
  readonly #columns = new SampleColumns();
  #lost = 0;
  #lostTaskChanges = 0;
  #closedTooLate = 0;

  /** Create it before anything is announced to it. */
  constructor(board: BoardReader, { maxClosedBytes = MAX_CLOSED_BYTES }: DrainOptions = {}) {
    this.#board = board;
    this.#maxClosedBytes = maxClosedBytes;
    this.#occupantsBefore = Int32Array.from({ length: board.capacity }, (_, row) => board.occupantOf(row));
  }

  /** Committed as lost: samples that were overwritten before they were handed over, since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** The same of changes of tasks. */
  get lostTaskChanges(): number {
    return this.#lostTaskChanges;
  }

  /** Workers whose memory was reused before their last samples were copied: how many samples, is unknown. */
  get closedTooLate(): number {
    return this.#closedTooLate;
  }

  /** Closed slots of which nothing is needed any more, since the last call. */
  takeSettled(): readonly SlotKey[] {
    return this.#settled.splice(0);
  }

  /** Size of the samples of removed workers that are not committed. */
  get closedBytes(): number {
    return this.#closedBytes;
  }

  /**
   * Continues an earlier drain of this run of the master. Call it before the first `drain`, before or after announcements.
   * @param committed by worker id: what the earlier one has committed. Cursors of other runs are ignored
   */
  resume(committed: ReadonlyMap<string, CommittedSamples>): void {
    this.#earlier = committed;
    const closed = Array.from(this.#closed, ({ cursor }) => cursor);
    for (const cursor of [...this.#there.values(), ...this.#leaving.values(), ...closed]) {
      if (cursor.committed.next !== undefined) this.#continue(cursor, committed);
    }
    for (const added of [...this.#closed]) {
      // It has come back since then, and later samples are committed.
      if (isBefore(added.columns.to, added.cursor.committed.next as number)) this.#remove(added);
    }
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded': {
        const { workerId, row, occupant } = announcement;
        const known = this.#there.get(workerId);
        // May be announced twice: in the roster and when it came.
        const isKnown = known?.row === row && known.occupant === occupant;
        const cursor = isKnown ? known : new Cursor(announcement);
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
      case 'slotLeaving': {
        const key = keyOf(announcement);
        if (!this.#leaving.has(key)) this.#leaving.set(key, new Cursor(announcement, true));
        return;
      }
      case 'slotClosed': {
        const leaving = this.#leaving.get(keyOf(announcement));
        this.#leaving.delete(keyOf(announcement));
        if (leaving !== undefined) this.#close(leaving, new SlotReader(announcement.slot, announcement.tenancy));
        else this.#closeStranger(announcement);
        return;
      }
      default:
      // Does not concern samples.
    }
  }

  /**
   * Hands over the samples since the last time, or since the last commit after a `rollback`: those of removed workers first.
   * Workers without new ones are skipped. If `take` throws, what it was given counts as not handed over.
   * @returns whether everything was handed over
   */
  drain(take: TakeSamples, { fullerThan = 0 }: DrainScope = {}): boolean {
    const leaving = this.#leavingFrom();
    // Samples of a worker that came back wait for those from before it was removed: numbers never go back.
    const mustWait = ({ workerId, numbersFrom }: Cursor) => (leaving.get(workerId) ?? numbersFrom) < numbersFrom;
    for (const closed of this.#closed) {
      const { cursor, columns } = closed;
      const { next, isGone } = cursor.handedOver;
      if (isGone || mustWait(cursor)) continue;
      this.#columns.copyFrom(columns, next as number);
      if (!this.#handOver(cursor, take, tasksOf(closed))) return false;
    }
    for (const cursor of this.#inTurn()) {
      if (mustWait(cursor)) continue;
      // The memory may belong to another worker, which is announced later.
      if (cursor.slot === undefined || !this.#isThere(cursor)) continue;
      let tasks: CopiedTasks;
      try {
        if (fullerThan > 0 && shareOf(cursor.slot, cursor) < fullerThan) continue;
        cursor.slot.samplesSince(cursor.handedOver.next ?? cursor.slot.firstSample, this.#columns);
        if (this.#columns.count === 0 && this.#columns.lost === 0) continue;
        tasks = tasksSince(cursor, cursor.slot, this.#columns);
      } catch (error) {
        if (error instanceof SlotGone) continue;
        throw error;
      }
      if (this.#handOver(cursor, take, tasks)) continue;
      this.#nextInTurn = cursor.workerId;
      return false;
    }
    return true;
  }

  /** What was handed over is durable. */
  commit(): void {
    for (const cursor of this.#touched) {
      this.#lost += cursor.handedOver.lost;
      this.#lostTaskChanges += cursor.handedOver.lostTaskChanges;
      cursor.handedOver = { ...cursor.handedOver, lost: 0, lostTaskChanges: 0 };
      cursor.committed = cursor.handedOver;
    }
    this.#touched.clear();
    for (const closed of this.#closed) {
      if (closed.cursor.committed.isGone) this.#remove(closed);
    }
  }

  /** What was handed over since the last commit is not durable, and to be handed over again. */
  rollback(): void {
    for (const cursor of this.#touched) cursor.handedOver = cursor.committed;
    this.#touched.clear();
  }

  /**
   * Reports for each present worker how many of its samples are not committed, how many its ring holds at most, and which part of its
   * task log, 0 to 1, is not committed. A ring that is not as long as RING_TIME yet may still grow.
   */
  waiting(visit: (workerId: string, uncommitted: number, capacity: number, taskLogShare: number) => void): void {
    for (const cursor of this.#there.values()) {
      const { slot, workerId } = cursor;
      if (slot === undefined || !this.#isThere(cursor)) continue;
      try {
        const { sampleCapacity } = slot;
        const uncommitted = uncommittedOf(slot, cursor);
        const taskLogShare = taskLogShareOf(slot, cursor);
        if (this.#isThere(cursor)) visit(workerId, uncommitted, sampleCapacity, taskLogShare);
      } catch (error) {
        if (!(error instanceof SlotGone)) throw error;
      }
    }
  }

  /** By id of workers that are leaving: the first number of the earliest such life. */
  #leavingFrom(): ReadonlyMap<string, number> {
    const least = new Map<string, number>();
    for (const { workerId, numbersFrom } of this.#leaving.values()) {
      least.set(workerId, Math.min(numbersFrom, least.get(workerId) ?? numbersFrom));
    }
    return least;
  }

  /** From where the last drain ended early. */
  *#inTurn(): Generator<Cursor> {
    const from = this.#nextInTurn;
    this.#nextInTurn = undefined;
    if (from === undefined || !this.#there.has(from)) {
      yield* this.#there.values();
      return;
    }
    const before: Cursor[] = [];
    let isReached = false;
    for (const cursor of this.#there.values()) {
      isReached ||= cursor.workerId === from;
      if (isReached) yield cursor;
      else before.push(cursor);
    }
    yield* before;
  }

  /** As in slot-shelf.ts: attach, then check whether the row is still the worker's. */
  #attach(cursor: Cursor, memory: SlotMemory): void {
    const slot = new SlotReader(memory);
    const begin = this.#firstOf(cursor, slot);
    if (!this.#isThere(cursor)) return;
    cursor.slot = slot;
    if (cursor.committed.next === undefined) this.#begin(cursor, begin);
  }

  #isThere({ row, occupant }: Cursor): boolean {
    return this.#board.isOccupiedBy(row, occupant);
  }

  #begin(cursor: Cursor, next: number): void {
    cursor.beginAt(next);
    cursor.isResumed = this.#earlier !== undefined;
  }

  #continue(cursor: Cursor, committed: ReadonlyMap<string, CommittedSamples>): void {
    this.#begin(cursor, this.#beginOf(cursor, committed));
  }

  #firstOf(cursor: Cursor, slot: SlotReader): number {
    if (this.#earlier !== undefined) return this.#beginOf(cursor, this.#earlier);
    const isFromBefore = cursor.isFromBefore || this.#occupantsBefore[cursor.row] === cursor.occupant;
    return isFromBefore ? slot.firstSample : 0;
  }

  #beginOf({ workerId, numbersFrom }: Cursor, committed: ReadonlyMap<string, CommittedSamples>): number {
    const { bootId, next } = committed.get(workerId) ?? { bootId: '', next: 0 };
    const isOfThisLife = bootId === this.#board.bootId && next > numbersFrom;
    return isOfThisLife ? (next - numbersFrom) >>> 0 : 0;
  }

  /** Copies what is not committed, since another worker may get the memory in a few seconds. */
  #close(cursor: Cursor, slot: SlotReader): void {
    const columns = new SampleColumns();
    const { committed, handedOver } = cursor;
    let tasks: CopiedTasks;
    let inFlight: Closed['inFlight'];
    try {
      if (committed.next === undefined) this.#begin(cursor, this.#firstOf(cursor, slot));
      const { samplesEnd } = slot;
      slot.samplesSince(cursor.committed.next as number, columns);
      // It has come back since then, and later samples are committed.
      if (isBefore(samplesEnd, cursor.committed.next as number)) {
        this.#settle(cursor);
        return;
      }
      tasks = lastTasks(cursor, slot, columns);
      const end = handedOver.tasks;
      if (end !== undefined && end !== committed.tasks) inFlight = { end, lost: slot.taskEntriesSince(end).lost };
    } catch (error) {
      if (!(error instanceof SlotGone)) throw error;
      this.#closedTooLate++;
      this.#settle(cursor);
      return;
    }
    cursor.slot = undefined;
    const added: Closed = { cursor, columns, tasks, inFlight };
    this.#closed.add(added);
    this.#closedBytes += bytesOf(added);
    for (const closed of this.#closed) {
      if (this.#closedBytes <= this.#maxClosedBytes) return;
      // In the order of removal; those that are being committed are kept.
      if (!this.#touched.has(closed.cursor)) this.#lose(closed);
    }
  }

  /** A worker left while there was no drain: an earlier one may not have committed its last samples. */
  #closeStranger(announcement: SlotClosed): void {
    const cursor = new Cursor(announcement, true);
    if (this.#hasLaterLife(cursor)) {
      this.#closedTooLate++;
      this.#settle(cursor);
      return;
    }
    this.#close(cursor, new SlotReader(announcement.slot, announcement.tenancy));
  }

  /** It has come back since then, and later samples were handed over: those from before come too late. */
  #hasLaterLife({ workerId, numbersFrom }: Cursor): boolean {
    const isLater = (each: Cursor | undefined) =>
      each?.workerId === workerId && each.numbersFrom > numbersFrom && each.handedOver.tasks !== undefined;
    if (isLater(this.#there.get(workerId))) return true;
    for (const { cursor } of this.#closed) if (isLater(cursor)) return true;
    return false;
  }

  #lose(closed: Closed): void {
    this.#closedBytes -= bytesOf(closed);
    closed.columns.loseAll();
    const { changes, lost } = tasksOf(closed);
    closed.tasks = { ...closed.tasks, changes: changes.slice(-1), lost: lost + changes.length - 1 };
    closed.inFlight = undefined;
    this.#closedBytes += bytesOf(closed);
  }

  #settle({ row, occupant }: Cursor): void {
    this.#settled.push({ row, occupant });
  }

  #remove(closed: Closed): void {
    this.#settle(closed.cursor);
    this.#closed.delete(closed);
    this.#closedBytes -= bytesOf(closed);
  }

  /** @returns whether they were taken */
  #handOver(cursor: Cursor, take: TakeSamples, tasks: CopiedTasks): boolean {
    const columns = this.#columns;
    const { workerId, numbersFrom, handedOver } = cursor;
    if (take(workerId, columns, numbersFrom, handedOver.previousUnixMs, tasks) === false) return false;
    cursor.advance(columns, tasks);
    this.#touched.add(cursor);
    return true;
  }
}

/** What happened to the tasks of a present worker. @param columns its samples since then */
function tasksSince({ handedOver, isResumed }: Cursor, slot: SlotReader, columns: SampleColumns): CopiedTasks {
  const { next = 0, previousUnixMs, tasks } = handedOver;
  const { entries, end, lost: overwritten } = slot.taskEntriesSince(tasks ?? LOG_BEGIN);
  const changes = changesOf(entries);
  const fresh = changes.filter(({ sample }) => isFrom(sample, next));
  // What is overwritten is older than what was committed. Behind an earlier drain, it is unknown how many of those came after it.
  const mostLost = isResumed && tasks === undefined && next !== 0 ? Math.min(1, overwritten) : overwritten;
  const lost = fresh.length < changes.length ? 0 : mostLost;
  const isFirst = tasks === undefined && next === 0;
  const isInMiddle = tasks === undefined && next !== 0 && !isResumed;
  if (isFirst && lost === 0) {
    const atMs = fresh[0]?.sample === 0 ? fresh[0].atMs : (columns.receivedUnixMs[0] ?? 0);
    return { changes: [{ type: 'begin', lastSeenMs: null, sample: 0, atMs }, ...fresh], lost, end, isGone: false };
  }
  // Those before the first drain do not count.
  const counted = isInMiddle ? 0 : lost;
  if (lost === 0 && !isInMiddle) return { changes: fresh, lost: counted, end, isGone: false };
  const now = slot.tasksNow();
  if (now === undefined) return { changes: fresh, lost: counted, end, isGone: false };
  const at = { sample: now.sample, atMs: now.receivedUnixMs };
  const all = now.tasks.map((task) => ({ ...listedEvent(task), ...at }));
  const list: TaskChange[] = [{ type: 'begin', lastSeenMs: previousUnixMs ?? null, ...at }, ...all];
  return { changes: [...fresh, ...list], lost: counted, end, isGone: false };
}

/** The same of a removed worker, from what is committed on. */
function lastTasks({ committed, isResumed }: Cursor, slot: SlotReader, columns: SampleColumns): CopiedTasks {
  const { next = 0, tasks } = committed;
  const { entries, end, lost: overwritten } = slot.taskEntriesSince(tasks ?? LOG_BEGIN);
  const lost = isResumed && tasks === undefined && next !== 0 ? Math.min(1, overwritten) : overwritten;
  const gone: TaskChange = { type: 'gone', sample: columns.to, atMs: slot.numbers()?.receivedUnixMs ?? 0 };
  const changes = changesOf(entries).filter(({ sample }) => isFrom(sample, next));
  const [first] = changes;
  const begin: TaskChange[] =
    tasks === undefined && next === 0 && columns.to !== 0
      ? [
          {
            type: 'begin',
            lastSeenMs: null,
            sample: 0,
            atMs: first?.sample === 0 ? first.atMs : (columns.receivedUnixMs[0] ?? 0),
          },
        ]
      : [];
  return { changes: [...begin, ...changes, gone], lost: changes.length < entries.length ? 0 : lost, end, isGone: true };
}

/** What is to be handed over of them, behind what was. */
function tasksOf({ cursor, tasks, inFlight }: Closed): CopiedTasks {
  const { next = 0, tasks: end } = cursor.handedOver;
  const changes = tasks.changes.filter(({ type, sample }) => type === 'gone' || isFrom(sample, next));
  if (inFlight !== undefined && end === inFlight.end) return { ...tasks, changes, lost: inFlight.lost };
  // What is overwritten is older than what was handed over.
  return { ...tasks, changes, lost: changes.length < tasks.changes.length ? 0 : tasks.lost };
}

function changesOf(entries: readonly TaskEntry[]): TaskChange[] {
  return entries.map(({ event, sample, atMs }) => ({ ...event, sample, atMs }));
}

function isBefore(sample: number, next: number): boolean {
  return ((sample - next) | 0) < 0;
}

/** Numbers of samples wrap. */
function isFrom(sample: number, next: number): boolean {
  return ((sample - next) | 0) >= 0;
}

function bytesOf({ columns, tasks }: Closed): number {
  return columns.bytes + tasks.changes.length * CHANGE_BYTES;
}

function uncommittedOf(slot: SlotReader, { committed }: Cursor): number {
  return (slot.samplesEnd - (committed.next ?? slot.firstSample)) >>> 0;
}

function taskLogShareOf(slot: SlotReader, { committed }: Cursor): number {
  return slot.taskLogShareSince(committed.tasks ?? LOG_BEGIN);
}

/** How much of the ring or of the task log is not committed, whichever is more: 0 to 1, or more. */
function shareOf(slot: SlotReader, cursor: Cursor): number {
  const ring = uncommittedOf(slot, cursor) / Math.max(1, slot.sampleCapacity);
  return Math.max(ring, taskLogShareOf(slot, cursor));
}

function keyOf({ row, occupant }: { readonly row: number; readonly occupant: number }): string {
  return `${row} ${occupant}`;
}
