/**
 * Follows accepted heartbeats until their lane is done with them: lets mailboxes go of what is done, posts what waited for
 * room, sees a worker's first record. The sweep looks after every mailbox that is not empty; what cannot wait for it has
 * a timer, which runs only while there is something to look at.
 *
 * | set       | who is in it                                              | looked at              |
 * |-----------|-----------------------------------------------------------|------------------------|
 * | undone    | workers whose mailbox is not known to be empty            | every 250 ms, by sweep |
 * | waiting   | of these, those with a heartbeat that waits for room      | every 2 ms             |
 * | newcomers | workers without a record, whose heartbeat is with a lane  | every ms, for 200 ms   |
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { BoardWriter } from '../store/board.ts';
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

/** How often mailboxes with a waiting heartbeat are looked at; only while there are any. */
const PUMP_EVERY_MS = 2;
/** How often a worker's first record is looked for; only while there are such workers. */
const LOOK_FOR_RECORD_EVERY_MS = 1;
/** For so long after each heartbeat: a lane that has to be started takes some 100 ms. Later the sweep sees it. */
const LOOK_FOR_RECORD_MS = 200;
/** So many are looked at each time, which takes some 20 µs: of a storm of newcomers the others have their turn later. */
const RECORD_LOOKS = 256;

export class DeliveryWatch {
  readonly #board: BoardWriter;
  readonly #liveness: Liveness;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  readonly #undone = new Set<RosterEntry>();
  readonly #waiting = new Set<RosterEntry>();
  #waitingTimer: Timer | undefined;
  /** Until when each is looked for. */
  readonly #newcomers = new Map<RosterEntry, number>();
  #newcomersTimer: Timer | undefined;

  constructor({ board, liveness, refusals, clock }: DeliveryWatchOptions) {
    this.#board = board;
    this.#liveness = liveness;
    this.#refusals = refusals;
    this.#clock = clock;
  }

  /** A heartbeat of the worker is about to be put into its mailbox. */
  expect(entry: RosterEntry): void {
    this.#undone.add(entry);
  }

  /** The worker's mailbox has a heartbeat that waits for room. */
  awaitRoom(entry: RosterEntry): void {
    this.#waiting.add(entry);
    this.#waitingTimer ??= this.#clock.every(PUMP_EVERY_MS, () => this.#lookAtWaiting());
  }

  /** The worker's lane is about to make its first record. The sweep would see it too, a quarter of a second later. */
  awaitRecord(entry: RosterEntry): void {
    this.#newcomers.set(entry, this.#clock.monotonicMs() + LOOK_FOR_RECORD_MS);
    this.#newcomersTimer ??= this.#clock.every(LOOK_FOR_RECORD_EVERY_MS, () => this.#lookAtNewcomers());
  }

  /** Lets go of what the worker's lane has done, and posts what waited for room. */
  settle(entry: RosterEntry): void {
    this.#liveness.lookForRecord(entry);
    const { outstanding } = entry.mailbox;
    const parcel = entry.mailbox.done(entry.slot.finished);
    if (parcel !== undefined || entry.mailbox.outstanding < outstanding) entry.lane?.noteProgress();
    if (parcel !== undefined) entry.lane?.post(entry, parcel);
    if (!entry.mailbox.hasWaiting) this.#waiting.delete(entry);
    this.#count(entry);
  }

  /** At each sweep, before lanes are looked at: which of them owe something, and which get on. */
  sweep(): void {
    for (const entry of this.#undone) {
      this.settle(entry);
      if (entry.mailbox.isEmpty) this.#undone.delete(entry);
      if (entry.mailbox.outstanding > 0) entry.lane?.noteDebt();
      if (entry.mailbox.hasWaiting && entry.lane?.state === 'ready') this.awaitRoom(entry);
    }
  }

  /** Whether lanes have done all that they were given; what waits in quarantine is not taken any more. */
  isAllDone(): boolean {
    let isAllDone = true;
    for (const entry of this.#undone) {
      if (entry.mailbox.isEmpty || entry.lane?.state === 'quarantined') continue;
      this.settle(entry);
      isAllDone &&= entry.mailbox.isEmpty;
    }
    return isAllDone;
  }

  /** The worker is forgotten, its row not yet released, its mailbox not yet cleared. Its lane may go on for a while. */
  forget(entry: RosterEntry): void {
    const lost = Object.values(this.#board.lostBy(entry.row)).reduce((sum, count) => sum + count, 0);
    entry.owed = (entry.mailbox.kept - lost) | 0;
    this.#undone.delete(entry);
    this.#waiting.delete(entry);
    this.#newcomers.delete(entry);
  }

  /** Nobody writes the slot of a forgotten worker any more: what was not done by now never will be. */
  left(entry: RosterEntry): void {
    this.#count(entry);
    const { applied, rejected } = entry.slot;
    this.#board.countForgotten(Math.max(0, (entry.owed - applied - rejected) | 0));
  }

  stop(): void {
    this.#waitingTimer?.cancel();
    this.#newcomersTimer?.cancel();
  }

  #lookAtWaiting(): void {
    for (const waiting of this.#waiting) {
      this.settle(waiting);
      // Until its lane is back, the sweep looks after it.
      if (waiting.lane?.state !== 'ready') this.#waiting.delete(waiting);
    }
    if (this.#waiting.size > 0) return;
    this.#waitingTimer?.cancel();
    this.#waitingTimer = undefined;
  }

  #lookAtNewcomers(): void {
    // Those that are put back are seen again next time.
    let looks = Math.min(RECORD_LOOKS, this.#newcomers.size);
    const nowMs = this.#clock.monotonicMs();
    for (const [newcomer, untilMs] of this.#newcomers) {
      if (looks-- === 0) break;
      this.#newcomers.delete(newcomer);
      this.settle(newcomer);
      // Last in the line again. One whose heartbeat was rejected, or whose lane is away, is left to the sweep.
      const isAwaited = !newcomer.liveness.hasRecord && !newcomer.mailbox.isEmpty && isAtWork(newcomer.lane);
      if (isAwaited && nowMs < untilMs) this.#newcomers.set(newcomer, untilMs);
    }
    if (this.#newcomers.size > 0) return;
    this.#newcomersTimer?.cancel();
    this.#newcomersTimer = undefined;
  }

  /** What its lane has done since the last look. The count of a copied slot may be one behind for a moment. */
  #count(entry: RosterEntry): void {
    const { applied, rejected } = entry.slot;
    const more = (applied - entry.appliedSeen) | 0;
    if (more > 0) {
      entry.appliedSeen = applied;
      this.#board.countApplied(more);
    }
    if (rejected !== entry.rejectionsSeen) this.#noteRejections(entry, rejected);
  }

  /** Those since the last look, of which only the last one tells its cause: where causes are mixed, all go by that one. */
  #noteRejections(entry: RosterEntry, rejected: number): void {
    const times = (rejected - entry.rejectionsSeen) >>> 0;
    entry.rejectionsSeen = rejected;
    const rejection = entry.slot.lastRejection();
    if (rejection === undefined) return;
    this.#board.countRejected(rejection.cause, times);
    if (rejection.cause !== 'content') this.#refusals.count(rejection.cause, times);
  }
}

/** Whether it does what it is given, or will in a moment. */
function isAtWork(lane: LaneHandle | undefined): boolean {
  return lane?.state === 'ready' || lane?.state === 'starting' || lane?.state === 'draining';
}
