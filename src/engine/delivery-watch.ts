/**
 * Follows accepted heartbeats until their lane has processed them: removes processed ones from mailboxes, posts those
 * that waited for room, and detects a worker's first record. The sweep visits every mailbox that is not empty; urgent
 * cases have a timer, which runs only while there are any.
 *
 * | set       | contains                                                  | visited                |
 * |-----------|-----------------------------------------------------------|------------------------|
 * | undone    | workers whose mailbox may not be empty                    | every 250 ms, by sweep |
 * | waiting   | of these, those with a heartbeat that waits for room      | every 2 ms             |
 * | newcomers | workers without a record whose heartbeat is in a lane     | every ms, for 200 ms   |
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { LANE_KINDS, type LaneKind } from '../model/lanes.ts';
import type { BoardWriter } from '../store/board.ts';
import { noneOf } from '../store/master-figures.ts';
import type { LaneHandle } from './lanes/lane-handle.ts';
import type { Liveness } from './liveness/liveness.ts';
import type { Refusals } from './refusals.ts';
import type { RosterEntry } from './workers/roster.ts';

export interface DeliveryWatchOptions {
  readonly board: BoardWriter;
  readonly liveness: Liveness;
  readonly refusals: Refusals;
  readonly clock: Clock;
}

/** Interval of visits to mailboxes with a waiting heartbeat; only while there are any. */
const PUMP_EVERY_MS = 2;
/** Interval of checks for first records; only while there are newcomers. */
const LOOK_FOR_RECORD_EVERY_MS = 1;
/**
 * Duration of these checks after each heartbeat: starting a lane takes about 100 ms. Later the sweep detects the
 * record.
 */
const LOOK_FOR_RECORD_MS = 200;
/** Maximum number of checks at a time, which take about 20 µs; in a storm of newcomers the others are checked later. */
const RECORD_LOOKS = 256;

export class DeliveryWatch {
  readonly #board: BoardWriter;
  readonly #liveness: Liveness;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  readonly #oldestReceiptMs = noneOf(LANE_KINDS);
  readonly #undone = new Set<RosterEntry>();
  readonly #waiting = new Set<RosterEntry>();
  #waitingTimer: Timer | undefined;
  /** Newcomers, and until when each is checked. */
  readonly #newcomers = new Map<RosterEntry, number>();
  #newcomersTimer: Timer | undefined;

  constructor({ board, liveness, refusals, clock }: DeliveryWatchOptions) {
    this.#board = board;
    this.#liveness = liveness;
    this.#refusals = refusals;
    this.#clock = clock;
  }

  /** Called before a heartbeat of the worker is put into its mailbox. */
  expect(entry: RosterEntry): void {
    this.#undone.add(entry);
  }

  /** Called when a heartbeat in the worker's mailbox waits for room. */
  awaitRoom(entry: RosterEntry): void {
    this.#waiting.add(entry);
    this.#waitingTimer ??= this.#clock.every(PUMP_EVERY_MS, () => this.#lookAtWaiting());
  }

  /**
   * Called when the worker's lane is about to make its first record, which the sweep would detect only 250 ms later.
   */
  awaitRecord(entry: RosterEntry): void {
    this.#newcomers.set(entry, this.#clock.monotonicMs() + LOOK_FOR_RECORD_MS);
    this.#newcomersTimer ??= this.#clock.every(LOOK_FOR_RECORD_EVERY_MS, () => this.#lookAtNewcomers());
  }

  /** Removes processed heartbeats from the worker's mailbox and posts those that waited for room. */
  settle(entry: RosterEntry): void {
    this.#liveness.lookForRecord(entry);
    const { outstanding } = entry.mailbox;
    const parcel = entry.mailbox.done(entry.slot.finished);
    if (parcel !== undefined || entry.mailbox.outstanding < outstanding) entry.lane?.noteProgress();
    if (parcel !== undefined) entry.lane?.post(entry, parcel);
    if (!entry.mailbox.hasWaiting) this.#waiting.delete(entry);
    this.#count(entry);
  }

  /** Called at each sweep, before lanes are checked: notes which lanes have work left, and which make progress. */
  sweep(): void {
    for (const kind of LANE_KINDS) this.#oldestReceiptMs[kind] = Number.POSITIVE_INFINITY;
    for (const entry of this.#undone) {
      this.settle(entry);
      this.#noteOldest(entry);
      if (entry.mailbox.isEmpty) this.#undone.delete(entry);
      if (entry.mailbox.outstanding > 0) entry.lane?.noteDebt();
      if (entry.mailbox.hasWaiting && entry.lane?.state === 'ready') this.awaitRoom(entry);
    }
  }

  /** When the oldest heartbeat arrived that the last sweep left to lanes of each kind; Infinity: there was none. */
  get oldestReceiptMs(): Readonly<Record<LaneKind, number>> {
    return this.#oldestReceiptMs;
  }

  /** Whether lanes have processed all that they were given; heartbeats in quarantine are not counted. */
  isAllDone(): boolean {
    let isAllDone = true;
    for (const entry of this.#undone) {
      if (entry.mailbox.isEmpty || entry.lane?.state === 'quarantined') continue;
      this.settle(entry);
      isAllDone &&= entry.mailbox.isEmpty;
    }
    return isAllDone;
  }

  /**
   * Called when the worker is removed, before its row is released and its mailbox cleared. Its lane may still be busy.
   */
  forget(entry: RosterEntry): void {
    const lost = Object.values(this.#board.lostBy(entry.row)).reduce((sum, count) => sum + count, 0);
    entry.owed = (entry.mailbox.kept - lost) | 0;
    this.#undone.delete(entry);
    this.#waiting.delete(entry);
    this.#newcomers.delete(entry);
  }

  /** Called when no thread writes the removed worker's slot any more: unprocessed heartbeats are dropped. */
  left(entry: RosterEntry): void {
    this.#count(entry);
    const { applied, rejected } = entry.slot;
    this.#board.countForgotten(Math.max(0, (entry.owed - applied - rejected) | 0));
  }

  stop(): void {
    this.#waitingTimer?.cancel();
    this.#newcomersTimer?.cancel();
  }

  #noteOldest({ lane, mailbox }: RosterEntry): void {
    if (lane === undefined || lane.state === 'quarantined') return;
    this.#oldestReceiptMs[lane.kind] = Math.min(this.#oldestReceiptMs[lane.kind], mailbox.oldestReceiptMs);
  }

  #lookAtWaiting(): void {
    for (const waiting of this.#waiting) {
      this.settle(waiting);
      // The sweep visits it until its lane is back.
      if (waiting.lane?.state !== 'ready') this.#waiting.delete(waiting);
    }
    if (this.#waiting.size > 0) return;
    this.#waitingTimer?.cancel();
    this.#waitingTimer = undefined;
  }

  #lookAtNewcomers(): void {
    // The limit ensures that those put back are not visited twice.
    let looks = Math.min(RECORD_LOOKS, this.#newcomers.size);
    const nowMs = this.#clock.monotonicMs();
    for (const [newcomer, untilMs] of this.#newcomers) {
      if (looks-- === 0) break;
      this.#newcomers.delete(newcomer);
      this.settle(newcomer);
      // Moves to the end of the queue. If its heartbeat was rejected or its lane is down, the sweep takes over.
      const isAwaited = !newcomer.liveness.hasRecord && !newcomer.mailbox.isEmpty && isAtWork(newcomer.lane);
      if (isAwaited && nowMs < untilMs) this.#newcomers.set(newcomer, untilMs);
    }
    if (this.#newcomers.size > 0) return;
    this.#newcomersTimer?.cancel();
    this.#newcomersTimer = undefined;
  }

  /**
   * Counts what the lane has processed since the last look. After a copy of the slot, the count may briefly be one
   * behind.
   */
  #count(entry: RosterEntry): void {
    const { applied, rejected } = entry.slot;
    const more = (applied - entry.appliedSeen) | 0;
    if (more > 0) {
      entry.appliedSeen = applied;
      this.#board.countApplied(more);
    }
    if (rejected !== entry.rejectionsSeen) this.#noteRejections(entry, rejected);
  }

  /** Counts rejections since the last look. Only the cause of the last one is known, so all are counted under it. */
  #noteRejections(entry: RosterEntry, rejected: number): void {
    const times = (rejected - entry.rejectionsSeen) >>> 0;
    entry.rejectionsSeen = rejected;
    const rejection = entry.slot.lastRejection();
    if (rejection === undefined) return;
    entry.liveness.via?.rejected?.(entry.workerId);
    this.#board.countRejected(rejection.cause, times);
    if (rejection.cause !== 'content') this.#refusals.count(rejection.cause, times);
  }
}

/** Whether the lane processes heartbeats now, or will in a moment. */
function isAtWork(lane: LaneHandle | undefined): boolean {
  return lane?.state === 'ready' || lane?.state === 'starting' || lane?.state === 'draining';
}
