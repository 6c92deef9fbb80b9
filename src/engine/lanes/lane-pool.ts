/**
 * Decides which lane serves which worker: a dedicated lane while there are free ones, or if it needs one more than
 * another worker (lane-policy.ts); otherwise the shared lane with the fewest workers. Also decides where workers go
 * when a lane fails.
 *
 * Starts of lanes are asynchronous (lane-starts.ts). Meanwhile a shared lane serves the worker, which moves when its
 * own lane is ready.
 *
 * The worker's current lane is in `worker.place` (worker-place.ts), which only place-keeper.ts changes. A worker moves
 * with its slot and its unprocessed heartbeats.
 *
 * A failure is charged to the worker whose heartbeat was in process, or for which the thread ran otherwise. On a shared
 * lane, only that worker is moved out:
 *
 *     shared ──► a dedicated lane, if one is free or its worker needs it less (lane-policy.ts)
 *            ──► else the penalty lane, with other workers that failed; back after CLEAN_AFTER_MS without a failure
 *            ──► else quarantine: a lane without a thread
 *
 * MAX_FAULTS failures within a minute lead to quarantine from any lane; so does a single failure of a thread that does
 * not terminate. A timer or an operator ends the quarantine; the worker then gets a lane as above.
 *
 * A failed start is not charged to a worker (start-gate.ts). The lane's workers are served by a running shared lane,
 * except those with a recent failure; without a running shared lane, their heartbeats wait.
 */

import { threadsLeftBehind } from '../../lib/supervised-thread.ts';
import { FAULT_CAUSES } from '../../model/lanes.ts';
import { noneOf } from '../../store/master-figures.ts';
import { verdictOn } from './failure-verdict.ts';
import { isCleanAgain, isOfLate, NO_FAULTS, withFault } from './fault-history.ts';
import type { AfterFailure } from './lane-contract.ts';
import type { LaneEvents, LaneFailure, LaneHandle, LaneWorker } from './lane-handle.ts';
import { LaneMemoryWatch } from './lane-memory-watch.ts';
import { type LaneStanding, Need, neediest, needOf, ownLaneOrder, whoGivesWay } from './lane-policy.ts';
import { LaneSearch } from './lane-search.ts';
import { LaneSet, type LaneSetOptions } from './lane-set.ts';
import { PlaceKeeper } from './place-keeper.ts';
import type { ResidentSources } from './resident-watch.ts';
import type { MovingPlace } from './worker-place.ts';

export interface LanePoolOptions extends Omit<LaneSetOptions, 'events'> {
  readonly quarantineMs: number;
  readonly resident: ResidentSources;
  readonly events: Pick<LaneEvents, 'onChange' | 'onGrown' | 'onAccepted' | 'onAbandoned' | 'onLost'> &
    Pick<LaneSetOptions['events'], 'onStartsFailing'> & {
      /** Called when a failure was charged to the worker. */
      readonly onCharged: (worker: LaneWorker, failure: Pick<LaneFailure, 'cause' | 'reason'>) => void;
      /** Called when the worker has another lane. @param left its previous lane */
      readonly onServed: (worker: LaneWorker, lane: LaneHandle, left: LaneHandle | undefined) => void;
    };
}

/**
 * Reassigning a dedicated lane costs a start and a stop, about 30 ms of CPU; at this interval, at most 3 % of a core.
 */
const DEAL_EVERY_MS = 1000;

export class LanePool {
  readonly #options: LanePoolOptions;
  readonly #lanes: LaneSet;
  readonly #search = new LaneSearch<LaneHandle, LaneWorker>();
  readonly #memory: LaneMemoryWatch;
  /** Unexpected ends of threads since the start. */
  readonly failures = noneOf(FAULT_CAUSES);
  readonly #places: PlaceKeeper;
  /** Workers on shared lanes that may need a dedicated lane more than others, as last known. */
  readonly #needing = new Set<LaneWorker>();
  /** Workers that had a dedicated lane when they became absent; they may be back, or have lost it. */
  readonly #absent = new Set<LaneWorker>();
  #dealtMs = Number.NEGATIVE_INFINITY;
  /** No worker is given another lane any more. */
  #stopped = false;
  /** No lane has a thread any more. */
  #isOver = false;

  constructor(options: LanePoolOptions) {
    this.#options = options;
    this.#memory = new LaneMemoryWatch(options.resident);
    this.#places = new PlaceKeeper({
      clock: options.clock,
      onLeft: (worker, place) => this.#left(worker, place),
      onServed: options.events.onServed,
      onEnd: (lane) => this.#lanes.end(lane),
    });
    this.#lanes = new LaneSet({
      ...options,
      events: {
        ...options.events,
        onReady: (lane) => {
          const worker = this.#lanes.workerOf(lane);
          // During a stop, the worker stays where it is.
          if (worker !== undefined && !this.#stopped) this.#places.change(worker, { type: 'ownLaneReady', own: lane });
        },
        onPlaceFree: () => this.#placeFree(),
        onQuarantineOver: (lane) => this.#quarantineOver(lane),
        onFailure: (lane, failure) => this.#afterFailure(lane, failure),
      },
    });
  }

  /** Whether a dedicated lane was not started for lack of memory on the machine. */
  get isHeldBack(): boolean {
    return this.#lanes.isHeldBack;
  }

  get lanes(): readonly LaneHandle[] {
    return this.#lanes.all;
  }

  /** Starts a shared lane ahead of any worker. Resolves when its thread is ready or has failed to start. */
  startFirst(): Promise<LaneHandle> {
    return this.#lanes.startFirst();
  }

  /** Assigns a lane to a worker that has none. */
  assign(worker: LaneWorker): void {
    const need = needOf(worker, this.#options.clock.monotonicMs());
    const own = need > Need.absent && this.#lanes.hasPlace() ? this.#lanes.newOwn(worker) : undefined;
    if (own !== undefined) this.#lanes.start(own);
    else if (need > Need.ordinary) this.#needing.add(worker);
    // Until its own lane is ready, a running shared lane serves it, so that its first heartbeat is processed at once.
    // If none runs, its own lane is ready as soon as a shared one would be.
    const isStarting = own !== undefined && this.#lanes.isStarting(own);
    const lane = isStarting ? (this.#lanes.runningShared() ?? own) : this.#lanes.leastShared();
    this.#places.change(worker, { type: 'assigned', to: { at: lane.kind, lane }, own });
    if (own === undefined && need > Need.absent && this.#hasAbsentHolder()) this.#giveOwn(worker);
  }

  /**
   * Removes the worker. Its own lane, if any, ends, and frees its place.
   * @returns whether no thread writes its slot any more: its lane has confirmed it, or has no thread
   */
  forget(worker: LaneWorker): Promise<boolean> {
    const { lane } = worker.place;
    const left = lane?.leave(worker) ?? Promise.resolve(false);
    this.#places.change(worker, { type: 'forgotten' });
    return left;
  }

  /** Ends a worker's quarantine early. @returns whether it was in quarantine */
  release(worker: LaneWorker): boolean {
    const { place } = worker;
    if (place.at !== 'quarantine') return false;
    // All its retries are available again, but one failure remains, so that it must prove itself before it shares a
    // lane.
    worker.faults = withFault(NO_FAULTS, this.#options.clock.monotonicMs());
    place.lane.faults = NO_FAULTS;
    this.#endQuarantine(place.lane, worker);
    return true;
  }

  /** At each sweep, after mailboxes released processed heartbeats: terminates stalled threads. */
  watch(elapsedMs: number): void {
    for (const lane of this.lanes) lane.watch(elapsedMs);
    if (this.#options.processor !== undefined) this.#watchProcessor(elapsedMs);
    this.#letBack();
    this.#watchSearch();
    if (this.isHeldBack) this.#promote();
    this.#deal();
  }

  /** Whether all dedicated lanes are taken, so that needs matter. */
  get isFull(): boolean {
    return this.#options.maxDedicatedLanes > 0 && (this.isHeldBack || !this.#lanes.isBelowMost());
  }

  /** Called when the worker's isolation, wish, load or presence has changed. */
  reconsider(worker: LaneWorker): void {
    const { place } = worker;
    if (this.#stopped || place.at === 'new' || place.at === 'gone') return;
    const need = needOf(worker, this.#options.clock.monotonicMs());
    if (need === Need.never) {
      if (place.own !== undefined && place.own.state !== 'quarantined') this.#evict(worker);
      return;
    }
    if (need === Need.absent) {
      if (place.own !== undefined) this.#absent.add(worker);
      return;
    }
    if (place.own !== undefined) return;
    if (need > Need.ordinary) this.#needing.add(worker);
    // An operator's decision and an absent holder take effect at once; loads and wishes may be many and wait for their
    // turn.
    if (need >= Need.decided || this.#lanes.hasPlace() || this.#hasAbsentHolder()) this.#giveOwn(worker);
  }

  /** The worker's lane state, as shown to operators. */
  standingOf(worker: LaneWorker): LaneStanding {
    const { place } = worker;
    if (place.at === 'dedicated' || place.at === 'quarantine') return place.at;
    if (place.at === 'moving' && place.to.at === 'quarantine') return 'quarantine';
    if (place.own !== undefined) return 'awaited';
    const nowMs = this.#options.clock.monotonicMs();
    const isWanted = needOf(worker, nowMs) >= Need.decided;
    if (isWanted && this.#options.maxDedicatedLanes === 0) return 'none';
    // Its turn comes when the worker that gives way has left its lane.
    if (isWanted && whoGivesWay<LaneWorker>(worker, this.#lanes.holders(), nowMs) !== undefined) return 'awaited';
    if (isWanted) return this.isHeldBack && this.#lanes.isBelowMost() ? 'memory' : 'full';
    if (place.at === 'moving') return place.from === 'dedicated' ? 'leaving' : 'shared';
    return place.at === 'penalty' ? 'penalty' : 'shared';
  }

  /** Stops assigning workers; lanes finish their work. */
  drain(): void {
    this.#stopped = true;
    this.#lanes.drain();
  }

  /** Ends all threads. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#isOver = true;
    return this.#lanes.stop();
  }

  // ── places ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Assigns free dedicated lanes to workers on shared lanes. */
  #promote(): void {
    if (this.#stopped || !this.#lanes.hasPlace()) return;
    for (const worker of ownLaneOrder(this.#withoutOwn(), this.#options.clock.monotonicMs())) {
      if (!this.#lanes.hasPlace()) return;
      this.#startOwn(worker);
    }
  }

  /** Called when a lane has ended. Its place may have been assigned already; then the next worker may give way. */
  #placeFree(): void {
    this.#promote();
    if (this.#stopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    const worker = this.#neediest(nowMs);
    if (worker !== undefined && needOf(worker, nowMs) >= Need.decided) this.#giveOwn(worker);
  }

  /**
   * Every DEAL_EVERY_MS, gives a dedicated lane to the worker with the greatest need, if another needs its lane less.
   */
  #deal(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const hasAbsent = this.#hasAbsentHolder();
    if (this.#stopped || (this.#needing.size === 0 && !hasAbsent) || nowMs - this.#dealtMs < DEAL_EVERY_MS) return;
    this.#dealtMs = nowMs;
    const [anybody] = hasAbsent ? ownLaneOrder(this.#withoutOwn(), nowMs) : [];
    const worker = this.#neediest(nowMs) ?? anybody;
    if (worker !== undefined) this.#giveOwn(worker);
  }

  /** The worker on a shared lane with the greatest need; undefined if all needs are equal. */
  #neediest(nowMs: number): LaneWorker | undefined {
    for (const worker of this.#needing) {
      const isSettled = worker.place.at === 'gone' || worker.place.own !== undefined;
      if (isSettled || needOf(worker, nowMs) <= Need.ordinary) this.#needing.delete(worker);
    }
    return neediest(this.#needing, nowMs);
  }

  /** Whether an absent worker has a dedicated lane. */
  #hasAbsentHolder(): boolean {
    for (const worker of this.#absent) {
      const { own } = worker.place;
      if (own === undefined || !worker.isAbsent) this.#absent.delete(worker);
      else if (own.state !== 'quarantined') return true;
    }
    return false;
  }

  /** Gives the worker a dedicated lane, if one is free or can be taken from a worker that needs it less. */
  #giveOwn(worker: LaneWorker): void {
    if (this.#makePlace(worker)) this.#startOwn(worker);
  }

  /** An absent worker may get a lane here when a failure is charged to it late. */
  #newOwn(worker: LaneWorker): LaneHandle {
    if (worker.isAbsent) this.#absent.add(worker);
    return this.#lanes.newOwn(worker);
  }

  #startOwn(worker: LaneWorker): void {
    const own = this.#newOwn(worker);
    this.#places.change(worker, { type: 'ownLaneGiven', own });
    this.#lanes.start(own);
  }

  /**
   * Whether the worker may have a dedicated lane; if necessary, a worker that needs it less gives way. Until that one
   * has left its lane, there is one lane more than allowed, and no other worker gives way.
   */
  #makePlace(worker: LaneWorker): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (needOf(worker, nowMs) === Need.never) return false;
    if (this.#lanes.hasPlace()) return true;
    if (!this.#lanes.mayGiveWay) return false;
    const other = whoGivesWay<LaneWorker>(worker, this.#lanes.holders(), nowMs);
    if (other === undefined) return false;
    const { workerId } = worker;
    this.#options.logger.info(
      { worker: workerId, from: other.workerId },
      'dedicated lane given to a worker that needs it more',
    );
    this.#evict(other);
    return true;
  }

  /** Moves the worker from its own lane, which ends, to a shared one. */
  #evict(worker: LaneWorker): void {
    const isHarmful = isOfLate(worker.faults, this.#options.clock.monotonicMs());
    const to = (isHarmful ? this.#lanes.penaltyWithRoom() : undefined) ?? this.#lanes.leastShared();
    this.#giveUp(worker, to);
  }

  /** The worker loses its own lane, and may get one again later. */
  #giveUp(worker: LaneWorker, to: LaneHandle): void {
    this.#places.change(worker, { type: 'evicted', to: { at: to.kind, lane: to } });
    if (needOf(worker, this.#options.clock.monotonicMs()) > Need.ordinary) this.#needing.add(worker);
  }

  /** Workers on shared lanes for which no dedicated lane is being started. */
  *#withoutOwn(): Iterable<LaneWorker> {
    for (const { workers } of this.#lanes.ofSeveral)
      for (const worker of workers) if (worker.place.own === undefined) yield worker;
  }

  /** The worker has left its lane: continues to its destination, or elsewhere if it exceeded its time budget. */
  #left(worker: LaneWorker, { lane, isOverTime, to }: MovingPlace<LaneHandle>): void {
    if (this.#isOver) return;
    const excess = isOverTime && !this.#stopped ? lane.excess(worker) : undefined;
    if (excess !== undefined) {
      this.#charge(worker, { cause: 'stall', reason: excess });
      this.#options.logger.warn({ worker: worker.workerId, lane: lane.number, reason: excess }, 'worker moved out');
      if (to.lane === lane) this.#sendApart(worker, excess);
    }
    this.#places.change(worker, { type: 'left' });
  }

  // ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────

  #afterFailure(lane: LaneHandle, failure: LaneFailure): AfterFailure {
    this.failures[failure.cause]++;
    const nowMs = this.#options.clock.monotonicMs();
    if (failure.isFailedStart) return this.#afterFailedStart(lane, failure, nowMs);
    const { culprit, isAbandoned, isUntraced, reason } = failure;
    lane.faults = withFault(lane.faults, nowMs);
    if (culprit !== undefined) this.#charge(culprit, failure);
    const { kind, state, faults } = lane;
    const isDraining = state === 'draining';
    const isCulpritHere = culprit?.place.lane === lane;
    const verdict = verdictOn({ kind, isDraining, isAbandoned, isUntraced, faults, culprit, isCulpritHere }, nowMs);
    switch (verdict.next) {
      case 'quarantine lane':
        return this.#quarantineLane(lane);
      case 'search':
        return { restartInMs: this.#searchFor(lane, failure, nowMs) ? 0 : verdict.inMs };
      case 'quarantine':
        this.#quarantine(verdict.worker, reason);
        break;
      case 'place apart':
        this.#sendApart(verdict.worker, reason);
        break;
      case 'keep':
        this.#keep(verdict.worker, lane);
        break;
      case 'restart':
        break;
      default:
        verdict satisfies never;
    }
    return { restartInMs: verdict.inMs };
  }

  /** Keeps the worker on the penalty lane, even if it was on its way back; a dedicated lane remains an option. */
  #keep(worker: LaneWorker, lane: LaneHandle): void {
    const { place } = worker;
    if (place.at === 'moving' && place.to.lane !== place.own) this.#places.send(worker, lane);
  }

  /** One of the lane's workers caused the failure, but which is unknown. @returns whether it was found, and leaves */
  #searchFor(lane: LaneHandle, { cause, reason, isAbandoned }: LaneFailure, nowMs: number): boolean {
    const step = this.#search.afterFailure(lane, () => this.#lanes.newExtra(lane.kind), nowMs);
    if (step === undefined) return false;
    if ('move' in step) {
      const { move, to } = step;
      this.#options.logger.warn(
        { lane: lane.number, to: to.number, workers: move.length, of: lane.workerCount },
        'a lane failed and the worker that caused it is unknown: searching by moving half of its workers at a time',
      );
      for (const worker of move) this.#places.send(worker, to);
      return false;
    }
    this.#endSearch();
    const { found } = step;
    if (found === undefined) return false;
    const why = `${reason}; found by moving half of the lane’s workers at a time`;
    this.#charge(found, { cause, reason: why });
    if (isAbandoned || lane.kind === 'penalty') this.#quarantine(found, why);
    else this.#sendApart(found, why);
    return true;
  }

  /** Ends the search; its second lane ends when it is empty. */
  #endSearch(): void {
    const { home, stray = [] } = this.#search.end() ?? {};
    for (const worker of stray) this.#places.send(worker, home?.kind === 'penalty' ? home : this.#lanes.leastShared());
  }

  #watchSearch(): void {
    if (this.#search.isInVain(this.#options.clock.monotonicMs())) this.#endSearch();
    const { second, isUnderWay } = this.#search;
    if (second === undefined || isUnderWay || !second.isEmpty || this.#places.isAwaited(second)) return;
    this.#search.releaseSecond();
    this.#lanes.end(second);
  }

  #charge(worker: LaneWorker, failure: Pick<LaneFailure, 'cause' | 'reason'>): void {
    worker.faults = withFault(worker.faults, this.#options.clock.monotonicMs());
    this.#needing.add(worker);
    this.#places.change(worker, { type: 'charged' });
    this.#options.events.onCharged(worker, failure);
  }

  #afterFailedStart(lane: LaneHandle, failure: LaneFailure, nowMs: number): AfterFailure {
    const restartInMs = this.#lanes.startFailed(failure);
    const running = this.#lanes.runningShared();
    const to = running ?? (lane.kind === 'dedicated' ? this.#lanes.leastShared() : undefined);
    for (const worker of lane.kind === 'penalty' || to === undefined ? [] : [...lane.workers]) {
      // A worker with a recent failure must not end the last running lane.
      if (!isOfLate(worker.faults, nowMs)) this.#places.send(worker, to as LaneHandle);
    }
    return { restartInMs, isReported: this.#lanes.isStartingFirst };
  }

  /** Quarantines the lane; its worker stays on it. */
  #quarantineLane(lane: LaneHandle): AfterFailure {
    const worker = this.#lanes.workerOf(lane);
    if (worker !== undefined) this.#places.change(worker, { type: 'quarantined', own: lane });
    // Later, when the lane has no thread any more.
    queueMicrotask(() => this.#promote());
    return { quarantineMs: this.#options.quarantineMs };
  }

  /** Moves the worker away from the workers that it harms. */
  #sendApart(worker: LaneWorker, reason: string): void {
    const { own } = worker.place;
    if (own !== undefined) {
      this.#places.send(worker, own);
    } else if (this.#makePlace(worker)) {
      const lane = this.#newOwn(worker);
      this.#lanes.start(lane);
      this.#places.send(worker, lane);
    } else {
      const penalty = this.#lanes.penaltyWithRoom();
      if (penalty === undefined) this.#quarantine(worker, reason);
      else this.#places.send(worker, penalty);
    }
  }

  /** Moves the worker to a lane without a thread. If its own lane was being started, that is cancelled. */
  #quarantine(worker: LaneWorker, reason: string): void {
    const own = this.#newOwn(worker);
    own.quarantine(this.#options.quarantineMs, reason, worker);
    this.#places.change(worker, { type: 'quarantined', own });
    queueMicrotask(() => this.#promote());
  }

  #quarantineOver(lane: LaneHandle): void {
    const worker = this.#lanes.workerOf(lane);
    if (worker === undefined) return;
    // While a thread runs that does not terminate, another try may cost another thread, so an operator must decide.
    if (threadsLeftBehind() > 0) lane.quarantine(this.#options.quarantineMs, lane.lastError, worker);
    else this.#endQuarantine(lane, worker);
  }

  #endQuarantine(lane: LaneHandle, worker: LaneWorker): void {
    this.#options.logger.info({ worker: worker.workerId, lane: lane.number }, 'released from quarantine');
    if (this.#makePlace(worker)) {
      this.#places.change(worker, { type: 'released' });
      lane.release();
      this.#lanes.start(lane);
      return;
    }
    // Its place was assigned to another worker meanwhile.
    const other = this.#lanes.penaltyWithRoom() ?? this.#lanes.leastShared();
    this.#giveUp(worker, other);
  }

  /** Moves workers without recent failures from the penalty lane back to shared lanes. */
  #letBack(): void {
    const { penalty } = this.#lanes;
    if (penalty === undefined || penalty.workerCount === 0 || this.#stopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const worker of [...penalty.workers]) {
      const { place } = worker;
      if (place.at === 'penalty' && isCleanAgain(worker.faults, place.sinceMs, nowMs))
        this.#places.send(worker, this.#lanes.leastShared());
    }
  }

  #watchProcessor(elapsedMs: number): void {
    if (!this.#stopped) {
      this.#watchTime();
      this.#memory.look(elapsedMs, this.lanes);
    }
    this.#memory.lookOffHeap(this.lanes);
  }

  /**
   * Makes workers that seem to exceed their time budget leave their shared lane; when they have left, it is known
   * whether they did.
   */
  #watchTime(): void {
    for (const lane of this.#lanes.ofSeveral) {
      const worker = lane.kind === 'shared' ? lane.suspect : undefined;
      if (worker !== undefined) this.#places.change(worker, { type: 'overTime' });
    }
  }
}
