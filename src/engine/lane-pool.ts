/**
 * Which lane serves which worker: one of its own while the budget of dedicated lanes lasts, else the shared lane with
 * the fewest workers; and who goes where when a lane fails.
 *
 * A start is never waited for. Threads are started few at a time, so that a storm of registrations does not stop the
 * gRPC front: 16 at once held acks back for 280 ms, 2 at once for 20 to 25. Meanwhile a shared lane serves the worker,
 * which moves once its own lane is up. What moves is the slot and the heartbeats that are not done; the new lane is
 * given them when the old one has said that it will not touch the slot again, so that a slot has one writer.
 *
 * A failure is charged to the worker whose heartbeat was in hand. On a shared lane that worker alone is moved out:
 *
 *     shared ──► a dedicated lane, if there is a place
 *            ──► else the penalty lane, with others of its kind; back after PAROLE_AFTER_MS without a failure
 *            ──► else, or after MAX_FAULTS within a minute wherever it is, quarantine: a lane without a thread
 *
 * Quarantine ends by a timer or by an operator; it then gets a place as above, or a shared lane again.
 */
import type { LaneThreadData } from '../lane/messages.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import type { LaneKind } from '../model/lanes.ts';
import { isTooMuch, NO_FAULTS, restartDelayMs, withFault } from './fault-history.ts';
import {
  type AfterFailure,
  type LaneEvents,
  type LaneFailure,
  LaneHandle,
  type LaneLimits,
  type LaneWorker,
} from './lane-handle.ts';

export interface LanePoolOptions {
  readonly maxDedicatedLanes: number;
  readonly sharedLanes: number;
  /** Of a dedicated lane. */
  readonly limits: LaneLimits;
  readonly quarantineMs: number;
  readonly threadData: LaneThreadData;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Omit<LaneEvents, 'onRestartDue' | 'onFailure'> & {
    /** A failure was charged to the worker. */
    readonly onCharged: (worker: LaneWorker, failure: LaneFailure) => void;
    /** The worker has another lane. */
    readonly onServed: (worker: LaneWorker, lane: LaneHandle) => void;
  };
}

const STARTS_AT_ONCE = 2;
/** A shared lane holds the slots and heartbeats of many workers; in a tight heap all its time goes to collecting. */
const SHARED_MEMORY_FACTOR = 4;
/** Workers on the penalty lane: each failure of one starts it anew for all, so more would only wait for each other. */
const MAX_ON_PENALTY_LANE = 64;
/** A worker that did no harm on the penalty lane for this long goes back to the others. */
const PAROLE_AFTER_MS = 10 * 60_000;
/** Lanes asked for their memory per look beside those that stand still: a round of a thousand takes 12 s. */
const OFF_HEAP_LOOKS = 20;

export class LanePool {
  readonly #options: LanePoolOptions;
  /** Lanes of one worker, by their worker: it may still be served by a shared lane. */
  readonly #own = new Map<LaneWorker, LaneHandle>();
  readonly #shared: LaneHandle[] = [];
  #penalty: LaneHandle | undefined;
  /** Running quarantines. */
  readonly #quarantines = new Map<LaneHandle, Timer>();
  /** Moves under way, by their worker. */
  readonly #moves = new Map<LaneWorker, Promise<void>>();
  readonly #toStart: LaneHandle[] = [];
  #starting = 0;
  #nextNumber = 1;
  #nextOffHeapLook = 0;
  #stopped = false;

  constructor(options: LanePoolOptions) {
    this.#options = options;
  }

  get lanes(): readonly LaneHandle[] {
    return [...this.#own.values(), ...this.#shared, ...(this.#penalty === undefined ? [] : [this.#penalty])];
  }

  /** Starts a shared lane ahead of any worker. Resolves when its thread is ready, or has failed to be. */
  async startFirst(): Promise<LaneHandle> {
    const lane = this.#newLane('shared');
    this.#shared.push(lane);
    await lane.start();
    return lane;
  }

  /** Finds a lane for a worker that has none. */
  assign(worker: LaneWorker): void {
    if (!this.#hasPlace()) {
      this.#serve(worker, this.#leastShared());
      return;
    }
    const own = this.#reserve(worker);
    // Started at once, it needs no stand-in.
    this.#serve(worker, this.#toStart.includes(own) ? this.#leastShared() : own);
  }

  /** The worker is gone; a lane of its own ends with it, and its place is another worker's. */
  async release(worker: LaneWorker): Promise<void> {
    void worker.lane?.leave(worker);
    worker.lane = undefined;
    const own = this.#own.get(worker);
    if (own === undefined) return;
    await this.#endOwn(worker, own);
  }

  /** Takes a worker out of quarantine before its time. @returns whether it was in quarantine */
  pardon(worker: LaneWorker): boolean {
    const lane = worker.lane;
    if (lane?.state !== 'quarantined') return false;
    worker.faults = NO_FAULTS;
    lane.faults = NO_FAULTS;
    this.#endQuarantine(worker, lane);
    return true;
  }

  /** At each sweep, after mailboxes have let go of what is done: ends threads that stand still. */
  watch(elapsedMs: number): void {
    for (const lane of this.lanes) lane.watch(elapsedMs);
    this.#watchOffHeap();
    this.#parole();
  }

  /** Lanes take no new workers and finish what they were given. */
  drain(): void {
    this.#stopped = true;
    for (const timer of this.#quarantines.values()) timer.cancel();
    for (const lane of this.lanes) if (lane.state !== 'quarantined') lane.drain();
  }

  /** Ends all threads, all at once: one by one, a thousand take long. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#toStart.length = 0;
    await Promise.all(this.lanes.map((lane) => lane.stop()));
  }

  // ── places ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A lane in quarantine has no thread, and takes no place. */
  #hasPlace(): boolean {
    return this.#own.size - this.#quarantines.size < this.#options.maxDedicatedLanes;
  }

  /** Starts a lane of the worker's own, in its turn; the worker moves to it when it is up. */
  #reserve(worker: LaneWorker): LaneHandle {
    const own = this.#newLane('dedicated');
    this.#own.set(worker, own);
    this.#queueStart(own);
    void own.ready.then(() => this.#move(worker, own));
    return own;
  }

  /** One move of a worker after the other, or its slot could have two writers. */
  #move(worker: LaneWorker, to: LaneHandle): Promise<void> {
    const move = (this.#moves.get(worker) ?? Promise.resolve())
      .then(() => this.#moveNow(worker, to))
      .finally(() => {
        if (this.#moves.get(worker) === move) this.#moves.delete(worker);
      });
    this.#moves.set(worker, move);
    return move;
  }

  async #moveNow(worker: LaneWorker, to: LaneHandle): Promise<void> {
    const from = worker.lane;
    if (from === undefined || from === to || (to.kind === 'dedicated' && this.#own.get(worker) !== to)) return;
    // From here on its heartbeats wait in the mailbox.
    worker.lane = to;
    await from.leave(worker);
    // Forgotten, or moved on, meanwhile?
    if (worker.lane === to) this.#serve(worker, to);
  }

  /** Gives a free place among the dedicated lanes to a worker that shares one. */
  #promote(): void {
    if (this.#stopped) return;
    for (const lane of [...this.#shared, ...(this.#penalty === undefined ? [] : [this.#penalty])]) {
      for (const worker of lane.workers) {
        if (!this.#hasPlace()) return;
        if (!this.#own.has(worker)) this.#reserve(worker);
      }
    }
  }

  #serve(worker: LaneWorker, lane: LaneHandle): void {
    worker.lane = lane;
    lane.serve(worker);
    this.#options.events.onServed(worker, lane);
  }

  #leastShared(): LaneHandle {
    if (this.#shared.length < this.#options.sharedLanes) {
      const lane = this.#newLane('shared');
      this.#shared.push(lane);
      this.#queueStart(lane);
      return lane;
    }
    return this.#shared.reduce((least, lane) => (lane.workerCount < least.workerCount ? lane : least));
  }

  async #endOwn(worker: LaneWorker, own: LaneHandle): Promise<void> {
    this.#own.delete(worker);
    this.#quarantines.get(own)?.cancel();
    this.#quarantines.delete(own);
    const waiting = this.#toStart.indexOf(own);
    if (waiting >= 0) this.#toStart.splice(waiting, 1);
    this.#promote();
    await own.stop();
  }

  #newLane(kind: LaneKind): LaneHandle {
    const { clock, logger, events, limits, threadData } = this.#options;
    const factor = kind === 'dedicated' ? 1 : SHARED_MEMORY_FACTOR;
    const { processor } = threadData;
    return new LaneHandle({
      number: this.#nextNumber++,
      kind,
      limits: { ...limits, heapMib: limits.heapMib * factor, offHeapMib: limits.offHeapMib * factor },
      threadData: { processor: processor && { ...processor, offHeapBytes: processor.offHeapBytes * factor } },
      clock,
      logger,
      events: {
        ...events,
        onRestartDue: (due) => this.#queueStart(due),
        onFailure: (lane, failure) => this.#afterFailure(lane, failure),
      },
    });
  }

  // ── starts ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Also for lanes that died: many that die together must not all come back in one instant. */
  #queueStart(lane: LaneHandle): void {
    if (this.#stopped && lane.state !== 'draining') return;
    // Before those who wait for lanes of their own: it serves them until then.
    if (lane.kind === 'dedicated') this.#toStart.push(lane);
    else this.#toStart.unshift(lane);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#starting < STARTS_AT_ONCE) {
      const lane = this.#toStart.shift();
      if (lane === undefined) return;
      this.#starting++;
      void lane.start().then(() => {
        this.#starting--;
        this.#startNext();
      });
    }
  }

  // ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────

  #afterFailure(lane: LaneHandle, failure: LaneFailure): AfterFailure {
    const nowMs = this.#options.clock.monotonicMs();
    const { culprit } = failure;
    lane.faults = withFault(lane.faults, nowMs);
    if (culprit !== undefined) {
      culprit.faults = withFault(culprit.faults, nowMs);
      this.#options.events.onCharged(culprit, failure);
    }
    if (lane.state === 'draining') return { restartInMs: restartDelayMs(lane.faults, false) };
    if (lane.kind === 'dedicated') return this.#afterDedicated(lane, nowMs);
    if (culprit === undefined || culprit.lane !== lane) return { restartInMs: restartDelayMs(lane.faults, true) };
    if (lane.kind === 'shared') this.#moveOut(culprit, lane);
    else if (isTooMuch(culprit.faults, nowMs)) this.#moveToQuarantine(culprit, lane);
    else return { restartInMs: restartDelayMs(lane.faults, true) };
    // What was wrong with the lane has left it.
    return { restartInMs: 0 };
  }

  #afterDedicated(lane: LaneHandle, nowMs: number): AfterFailure {
    const [worker] = lane.workers;
    // It never ran (the system has no thread to give, say): the others serve its worker until it does.
    if (worker !== undefined && !lane.wasReady) {
      void lane.leave(worker);
      this.#serve(worker, this.#leastShared());
    }
    const isTooOften =
      isTooMuch(lane.faults, nowMs) || (lane.wasReady && isTooMuch(worker?.faults ?? NO_FAULTS, nowMs));
    if (!isTooOften) return { restartInMs: restartDelayMs(lane.faults, false) };
    this.#quarantine(lane, worker);
    return 'quarantine';
  }

  #moveOut(worker: LaneWorker, from: LaneHandle): void {
    const to = this.#own.get(worker) ?? (this.#hasPlace() ? this.#reserve(worker) : this.#penaltyLane());
    if (to === undefined) {
      this.#moveToQuarantine(worker, from);
      return;
    }
    // The old thread is dead, so there is nothing to wait for.
    void from.leave(worker);
    this.#serve(worker, to);
  }

  /** Undefined if it is full. */
  #penaltyLane(): LaneHandle | undefined {
    if (this.#penalty === undefined) {
      this.#penalty = this.#newLane('penalty');
      this.#queueStart(this.#penalty);
    }
    return this.#penalty.workerCount < MAX_ON_PENALTY_LANE ? this.#penalty : undefined;
  }

  #moveToQuarantine(worker: LaneWorker, from: LaneHandle): void {
    const cell = this.#newLane('dedicated');
    this.#own.set(worker, cell);
    void from.leave(worker);
    cell.quarantine(from.lastError);
    this.#quarantine(cell, worker);
    this.#serve(worker, cell);
  }

  /** The lane's thread is gone; it gets no other for a while, and its place is free. */
  #quarantine(lane: LaneHandle, worker?: LaneWorker): void {
    const { clock, logger, quarantineMs } = this.#options;
    logger.error({ worker: worker?.workerId, lane: lane.number, forMs: quarantineMs }, 'quarantined');
    const timer = clock.after(quarantineMs, () => {
      const [worker] = lane.workers;
      if (worker !== undefined) this.#endQuarantine(worker, lane);
      else this.#endUnused(lane);
    });
    this.#quarantines.set(lane, timer);
    this.#promote();
  }

  #endQuarantine(worker: LaneWorker, lane: LaneHandle): void {
    this.#quarantines.get(lane)?.cancel();
    this.#quarantines.delete(lane);
    this.#options.logger.info({ worker: worker.workerId, lane: lane.number }, 'released from quarantine');
    if (this.#own.size - this.#quarantines.size <= this.#options.maxDedicatedLanes) {
      this.#queueStart(lane);
      return;
    }
    // Its place was given to another meanwhile.
    this.#own.delete(worker);
    void lane.leave(worker);
    this.#serve(worker, this.#penaltyLane() ?? this.#leastShared());
    void lane.stop();
  }

  /** A lane that could not be started for a worker which shares one meanwhile: it may get a new one. */
  #endUnused(lane: LaneHandle): void {
    for (const [worker, own] of this.#own) if (own === lane) void this.#endOwn(worker, own);
  }

  #parole(): void {
    const penalty = this.#penalty;
    if (penalty === undefined || penalty.workerCount === 0 || this.#stopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const worker of [...penalty.workers]) {
      const isQuiet = nowMs - (worker.faults.at(-1) ?? 0) >= PAROLE_AFTER_MS;
      if (isQuiet && !this.#moves.has(worker)) void this.#move(worker, this.#leastShared());
    }
  }

  /** Only processors put memory outside the heap that grows. */
  #watchOffHeap(): void {
    if (this.#options.threadData.processor === undefined) return;
    const { lanes } = this;
    for (const lane of lanes) if (lane.isSuspicious) void lane.watchOffHeap();
    for (let look = 0; look < Math.min(OFF_HEAP_LOOKS, lanes.length); look++) {
      void lanes[this.#nextOffHeapLook++ % lanes.length]?.watchOffHeap();
    }
  }
}
