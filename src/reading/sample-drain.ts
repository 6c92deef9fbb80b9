/**
 * Drains the samples of all workers, for a reading thread that stores them elsewhere: each sample once and in order, or counted
 * as lost. It gets the announcements that every reader gets. To read the samples of one worker, see ring-samples.ts: both go
 * through `SlotReader.samplesSince`, and no reader affects another.
 *
 * | a worker is | since         | its samples                                                                         |
 * |-------------|---------------|-------------------------------------------------------------------------------------|
 * | present     | `slotAdded`   | are in its ring, and handed over from where the last drain ended                    |
 * | leaving     | `slotGone`    | may still grow: its lane has not finished its heartbeats                            |
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
 * A ring counts its worker's samples from 0, modulo 2^32. In history their numbers begin at `numbersFrom`, so that a worker that is
 * removed and comes back has higher numbers than before.
 */
import type { BoardReader } from '../store/board.ts';
import { SampleColumns } from '../store/sample-columns.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import { SlotGone, SlotReader } from '../store/slot-reader.ts';
import type { Announcement } from './directory.ts';
import { MAX_CLOSED_BYTES } from './reading-limits.ts';

/**
 * @param columns valid only during the call. `lost` samples came before the first of them; `count` may be 0 then
 * @param numbersFrom to be added to their numbers, see directory.ts
 * @param previousUnixMs receipt of the worker's last sample before them; undefined: this drain has not seen it
 * @returns `false`: they were not taken, and the drain ends here; the next one begins with this worker
 */
export type TakeSamples = (
  workerId: string,
  columns: SampleColumns,
  numbersFrom: number,
  previousUnixMs: number | undefined,
) => unknown;

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
  /** Only workers of whose ring at least this part, 0 to 1, is not committed, and closed ones. Default 0: all. */
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
}

type Identity = Pick<Cursor, 'workerId' | 'row' | 'occupant' | 'numbersFrom'>;

class Cursor {
  readonly workerId: string;
  readonly row: number;
  readonly occupant: number;
  readonly numbersFrom: number;
  /** Undefined until it is certain that the memory is this worker's. */
  slot: SlotReader | undefined;
  handedOver: Place = { next: undefined, previousUnixMs: undefined, lost: 0 };
  committed: Place = this.handedOver;

  constructor({ workerId, row, occupant, numbersFrom }: Identity) {
    this.workerId = workerId;
    this.row = row;
    this.occupant = occupant;
    this.numbersFrom = numbersFrom;
  }

  beginAt(next: number): void {
    this.committed = { ...this.committed, next };
    this.handedOver = this.committed;
  }

  advance(columns: SampleColumns): void {
    const { lost, previousUnixMs } = this.handedOver;
    this.handedOver = {
      next: columns.to,
      previousUnixMs: columns.count > 0 ? columns.receivedUnixMs[columns.count - 1] : previousUnixMs,
      lost: lost + columns.lost,
    };
  }
}

/** A removed worker with samples that are not committed: a copy of them. */
interface Closed {
  readonly cursor: Cursor;
  readonly columns: SampleColumns;
}

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
  /** Those with samples that were handed over since the last commit. */
  readonly #touched = new Set<Cursor>();
  /** The worker at which the last drain ended early. */
  #nextInTurn: string | undefined;
  #earlier: ReadonlyMap<string, CommittedSamples> | undefined;
  readonly #columns = new SampleColumns();
  #lost = 0;
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

  /** Workers whose memory was reused before their last samples were copied: how many samples, is unknown. */
  get closedTooLate(): number {
    return this.#closedTooLate;
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
      if (cursor.committed.next !== undefined) cursor.beginAt(this.#beginOf(cursor, committed));
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
      case 'slotClosed': {
        const leaving = this.#leaving.get(keyOf(announcement));
        this.#leaving.delete(keyOf(announcement));
        // A drain that continues an earlier one may not know the worker.
        if (leaving === undefined && this.#earlier === undefined) return;
        this.#close(leaving ?? new Cursor(announcement), new SlotReader(announcement.slot, announcement.tenancy));
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
    for (const { cursor, columns } of this.#closed) {
      const next = cursor.handedOver.next as number;
      if (next === columns.to) continue;
      this.#columns.copyFrom(columns, next);
      if (!this.#handOver(cursor, take)) return false;
    }
    for (const cursor of this.#inTurn()) {
      // The memory may belong to another worker, which is announced later.
      if (cursor.slot === undefined || !this.#isThere(cursor)) continue;
      try {
        if (fullerThan > 0 && shareOf(cursor.slot, cursor) < fullerThan) continue;
        cursor.slot.samplesSince(cursor.handedOver.next ?? cursor.slot.firstSample, this.#columns);
      } catch (error) {
        if (error instanceof SlotGone) continue;
        throw error;
      }
      if (this.#handOver(cursor, take)) continue;
      this.#nextInTurn = cursor.workerId;
      return false;
    }
    return true;
  }

  /** What was handed over is durable. */
  commit(): void {
    for (const cursor of this.#touched) {
      this.#lost += cursor.handedOver.lost;
      cursor.handedOver = { ...cursor.handedOver, lost: 0 };
      cursor.committed = cursor.handedOver;
    }
    this.#touched.clear();
    for (const closed of this.#closed) {
      if (closed.cursor.committed.next === closed.columns.to) this.#remove(closed);
    }
  }

  /** What was handed over since the last commit is not durable, and to be handed over again. */
  rollback(): void {
    for (const cursor of this.#touched) cursor.handedOver = cursor.committed;
    this.#touched.clear();
  }

  /**
   * Reports for each present worker how many of its samples are not committed, and how many its ring holds at most. A ring that is not
   * as long as RING_TIME yet may still grow.
   */
  waiting(visit: (workerId: string, uncommitted: number, capacity: number) => void): void {
    for (const cursor of this.#there.values()) {
      const { slot, workerId } = cursor;
      if (slot === undefined || !this.#isThere(cursor)) continue;
      const { sampleCapacity } = slot;
      const uncommitted = uncommittedOf(slot, cursor);
      if (this.#isThere(cursor)) visit(workerId, uncommitted, sampleCapacity);
    }
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
    if (cursor.committed.next === undefined) cursor.beginAt(begin);
  }

  #isThere({ row, occupant }: Cursor): boolean {
    return this.#board.isOccupiedBy(row, occupant);
  }

  #firstOf(cursor: Cursor, slot: SlotReader): number {
    if (this.#earlier !== undefined) return this.#beginOf(cursor, this.#earlier);
    return this.#occupantsBefore[cursor.row] === cursor.occupant ? slot.firstSample : 0;
  }

  #beginOf({ workerId, numbersFrom }: Cursor, committed: ReadonlyMap<string, CommittedSamples>): number {
    const { bootId, next } = committed.get(workerId) ?? { bootId: '', next: 0 };
    const isOfThisLife = bootId === this.#board.bootId && next > numbersFrom;
    return isOfThisLife ? (next - numbersFrom) >>> 0 : 0;
  }

  /** Copies what is not committed, since another worker may get the memory in a few seconds. */
  #close(cursor: Cursor, slot: SlotReader): void {
    const columns = new SampleColumns();
    try {
      if (cursor.committed.next === undefined) cursor.beginAt(this.#firstOf(cursor, slot));
      slot.samplesSince(cursor.committed.next as number, columns);
    } catch (error) {
      if (!(error instanceof SlotGone)) throw error;
      this.#closedTooLate++;
      return;
    }
    cursor.slot = undefined;
    if (columns.to === cursor.committed.next) return;
    this.#closed.add({ cursor, columns });
    this.#closedBytes += columns.bytes;
    for (const closed of this.#closed) {
      if (this.#closedBytes <= this.#maxClosedBytes) return;
      // In the order of removal; those that are being committed are kept.
      if (!this.#touched.has(closed.cursor)) this.#lose(closed.columns);
    }
  }

  #lose(columns: SampleColumns): void {
    this.#closedBytes -= columns.bytes;
    columns.loseAll();
    this.#closedBytes += columns.bytes;
  }

  #remove(closed: Closed): void {
    this.#closed.delete(closed);
    this.#closedBytes -= closed.columns.bytes;
  }

  /** @returns whether they were taken */
  #handOver(cursor: Cursor, take: TakeSamples): boolean {
    const columns = this.#columns;
    if (columns.count === 0 && columns.lost === 0) return true;
    const { workerId, numbersFrom, handedOver } = cursor;
    if (take(workerId, columns, numbersFrom, handedOver.previousUnixMs) === false) return false;
    cursor.advance(columns);
    this.#touched.add(cursor);
    return true;
  }
}

function uncommittedOf(slot: SlotReader, { committed }: Cursor): number {
  return (slot.samplesEnd - (committed.next ?? slot.firstSample)) >>> 0;
}

/** How much of the ring is not committed, 0 to 1 or more. */
function shareOf(slot: SlotReader, cursor: Cursor): number {
  return uncommittedOf(slot, cursor) / Math.max(1, slot.sampleCapacity);
}

function keyOf({ row, occupant }: { readonly row: number; readonly occupant: number }): string {
  return `${row} ${occupant}`;
}
