/**
 * Which lane serves which worker: one of its own while the budget of dedicated lanes lasts, or if it needs one more than
 * another does (lane-policy.ts), else the shared lane with the fewest workers; and who goes where when a lane fails.
 *
 * A start is never waited for (lane-starts.ts). Meanwhile a shared lane serves the worker, which moves once its own lane is
 * up.
 *
 * Where each worker is stands in `worker.place` (worker-place.ts), which place-keeper.ts alone changes: here it is decided what
 * happens to it. What moves with a worker is its slot and the heartbeats that are not done.
 *
 * A failure is charged to the worker whose heartbeat was in hand, or for whom the thread ran otherwise. On a shared lane that worker alone is moved out:
 *
 *     shared ──► a dedicated lane, if there is a place, or one whose worker needs it less (lane-policy.ts)
 *            ──► else the penalty lane, with others of its kind; back after CLEAN_AFTER_MS without a failure
 *            ──► else quarantine: a lane without a thread
 *
 * Quarantine also follows MAX_FAULTS failures within a minute wherever the worker is, and at once the failure of a thread
 * that does not end. A timer or an operator ends it; the worker then gets a place as above.
 *
 * A start that fails is no failure of a worker's (start-gate.ts): whom the lane was to serve is served by a shared lane that
 * runs, unless it has ended a lane of late; where none runs, its heartbeats wait.
 */
import { threadsLeftBehind } from '../../lib/supervised-thread.ts';
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
  readonly events: Pick<LaneEvents, 'onChange' | 'onGrown' | 'onAbandoned' | 'onLost'> &
    Pick<LaneSetOptions['events'], 'onStartsFailing'> & {
      /** A failure was charged to the worker. */
      readonly onCharged: (worker: LaneWorker, failure: Pick<LaneFailure, 'cause' | 'reason'>) => void;
      /** The worker has another lane. @param left the one that it had before */
      readonly onServed: (worker: LaneWorker, lane: LaneHandle, left: LaneHandle | undefined) => void;
    };
}

/** A lane that changes hands costs a start and a stop, some 30 ms of CPU: so is a twentieth of a core at most. */
const DEAL_EVERY_MS = 1000;

export class LanePool {
  readonly #options: LanePoolOptions;
  readonly #lanes: LaneSet;
  readonly #search = new LaneSearch<LaneHandle, LaneWorker>();
  readonly #memory: LaneMemoryWatch;
  readonly #places: PlaceKeeper;
  /** Those who may need a lane of their own more than others do, and had none when that was last known. */
  readonly #needing = new Set<LaneWorker>();
  /** Those that had a lane of their own when they were found to be absent: they may be there again, or have none. */
  readonly #absent = new Set<LaneWorker>();
  #dealtMs = Number.NEGATIVE_INFINITY;
  /** Workers finish where they are: nobody is given another lane. */
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
          // Once all is being stopped, it finishes where it is.
          if (worker !== undefined && !this.#stopped) this.#places.change(worker, { type: 'ownLaneReady', own: lane });
        },
        onPlaceFree: () => this.#placeFree(),
        onQuarantineOver: (lane) => this.#quarantineOver(lane),
        onFailure: (lane, failure) => this.#afterFailure(lane, failure),
      },
    });
  }

  /** Whether the machine had no memory for a lane that could have been started otherwise. */
  get isHeldBack(): boolean {
    return this.#lanes.isHeldBack;
  }

  get lanes(): readonly LaneHandle[] {
    return this.#lanes.all;
  }

  /** Starts a shared lane ahead of any worker. Resolves when its thread is ready, or has failed to be. */
  startFirst(): Promise<LaneHandle> {
    return this.#lanes.startFirst();
  }

  /** Finds a lane for a worker that has none. */
  assign(worker: LaneWorker): void {
    const need = needOf(worker, this.#options.clock.monotonicMs());
    const own = need > Need.absent && this.#lanes.hasPlace() ? this.#lanes.newOwn(worker) : undefined;
    if (own !== undefined) this.#lanes.start(own);
    else if (need > Need.ordinary) this.#needing.add(worker);
    // Until its own lane is up a shared one that runs stands in, so that its first heartbeat is done at once. Where none
    // runs, its own is up as soon as another that is started for it.
    const isStarting = own !== undefined && this.#lanes.isStarting(own);
    const lane = isStarting ? (this.#lanes.runningShared() ?? own) : this.#lanes.leastShared();
    this.#places.change(worker, { type: 'assigned', to: { at: lane.kind, lane }, own });
    if (own === undefined && need > Need.absent && this.#hasAbsentHolder()) this.#giveOwn(worker);
  }

  /**
   * The worker is gone; a lane of its own ends with it, and its place is another worker's.
   * @returns whether nobody writes its slot any more: its lane has said so, or has no thread
   */
  forget(worker: LaneWorker): Promise<boolean> {
    const { lane } = worker.place;
    const left = lane?.leave(worker) ?? Promise.resolve(false);
    this.#places.change(worker, { type: 'forgotten' });
    return left;
  }

  /** Takes a worker out of quarantine before its time. @returns whether it was in quarantine */
  release(worker: LaneWorker): boolean {
    const { place } = worker;
    if (place.at !== 'quarantine') return false;
    // It gets all its tries again, but has to prove itself before it is let back among the others.
    worker.faults = withFault(NO_FAULTS, this.#options.clock.monotonicMs());
    place.lane.faults = NO_FAULTS;
    this.#endQuarantine(place.lane, worker);
    return true;
  }

  /** At each sweep, after mailboxes have let go of what is done: ends threads that stand still. */
  watch(elapsedMs: number): void {
    for (const lane of this.lanes) lane.watch(elapsedMs);
    if (this.#options.processor !== undefined) this.#watchProcessor(elapsedMs);
    this.#letBack();
    this.#watchSearch();
    if (this.isHeldBack) this.#promote();
    this.#deal();
  }

  /** Whether all dedicated lanes are taken, so that it counts who needs one. */
  get isFull(): boolean {
    return this.#options.maxDedicatedLanes > 0 && (this.isHeldBack || !this.#lanes.isBelowMost());
  }

  /** What is decided, wished or known of the worker's load is something else than before, or whether it is there. */
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
    // A decision of an operator's holds at once, and who is absent gives way at once; of a load and a wish there may be many.
    if (need >= Need.decided || this.#lanes.hasPlace() || this.#hasAbsentHolder()) this.#giveOwn(worker);
  }

  /** Where the worker is, as its operator is told. */
  standingOf(worker: LaneWorker): LaneStanding {
    const { place } = worker;
    if (place.at === 'dedicated' || place.at === 'quarantine') return place.at;
    if (place.at === 'moving' && place.to.at === 'quarantine') return 'quarantine';
    if (place.own !== undefined) return 'awaited';
    const nowMs = this.#options.clock.monotonicMs();
    const isWanted = needOf(worker, nowMs) >= Need.decided;
    if (isWanted && this.#options.maxDedicatedLanes === 0) return 'none';
    // Its turn comes when another, who gives way, has left.
    if (isWanted && whoGivesWay<LaneWorker>(worker, this.#lanes.holders(), nowMs) !== undefined) return 'awaited';
    if (isWanted) return this.isHeldBack && this.#lanes.isBelowMost() ? 'memory' : 'full';
    if (place.at === 'moving') return place.from === 'dedicated' ? 'leaving' : 'shared';
    return place.at === 'penalty' ? 'penalty' : 'shared';
  }

  /** Lanes take no new workers and finish what they were given. */
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

  /** Gives free places among the dedicated lanes to workers that share one. */
  #promote(): void {
    if (this.#stopped || !this.#lanes.hasPlace()) return;
    for (const worker of ownLaneOrder(this.#withoutOwn(), this.#options.clock.monotonicMs())) {
      if (!this.#lanes.hasPlace()) return;
      this.#startOwn(worker);
    }
  }

  /** The place of a lane that has ended is free, unless another was given it already: then the next one may give way. */
  #placeFree(): void {
    this.#promote();
    if (this.#stopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    const worker = this.#neediest(nowMs);
    if (worker !== undefined && needOf(worker, nowMs) >= Need.decided) this.#giveOwn(worker);
  }

  /** Now and then, one who needs a lane most and has none gets one, be it that of who needs it less. */
  #deal(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const hasAbsent = this.#hasAbsentHolder();
    if (this.#stopped || (this.#needing.size === 0 && !hasAbsent) || nowMs - this.#dealtMs < DEAL_EVERY_MS) return;
    this.#dealtMs = nowMs;
    const [anybody] = hasAbsent ? ownLaneOrder(this.#withoutOwn(), nowMs) : [];
    const worker = this.#neediest(nowMs) ?? anybody;
    if (worker !== undefined) this.#giveOwn(worker);
  }

  /** Undefined if nobody who has no lane of its own needs one more than others do. */
  #neediest(nowMs: number): LaneWorker | undefined {
    for (const worker of this.#needing) {
      const isSettled = worker.place.at === 'gone' || worker.place.own !== undefined;
      if (isSettled || needOf(worker, nowMs) <= Need.ordinary) this.#needing.delete(worker);
    }
    return neediest(this.#needing, nowMs);
  }

  /** Whether somebody has a lane of its own, and is not there. */
  #hasAbsentHolder(): boolean {
    for (const worker of this.#absent) {
      const { own } = worker.place;
      if (own === undefined || !worker.isAbsent) this.#absent.delete(worker);
      else if (own.state !== 'quarantined') return true;
    }
    return false;
  }

  /** Gives it a lane of its own, if it may have one and there is one, or one that somebody needs less. */
  #giveOwn(worker: LaneWorker): void {
    if (this.#makePlace(worker)) this.#startOwn(worker);
  }

  /** An absent one may get one by a failure that is charged to it late. */
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
   * Whether the worker may have a lane of its own; one who needs it less gives way for it. Until that one has left its lane,
   * there is a lane more than there may be, and nobody else gives way.
   */
  #makePlace(worker: LaneWorker): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (needOf(worker, nowMs) === Need.never) return false;
    if (this.#lanes.hasPlace()) return true;
    if (!this.#lanes.mayGiveWay) return false;
    const other = whoGivesWay<LaneWorker>(worker, this.#lanes.holders(), nowMs);
    if (other === undefined) return false;
    const { workerId } = worker;
    this.#options.logger.info({ worker: workerId, from: other.workerId }, 'a lane goes to who needs it more');
    this.#evict(other);
    return true;
  }

  /** From its own lane, which ends, to one that it shares. */
  #evict(worker: LaneWorker): void {
    const isHarmful = isOfLate(worker.faults, this.#options.clock.monotonicMs());
    const to = (isHarmful ? this.#lanes.penaltyWithRoom() : undefined) ?? this.#lanes.leastShared();
    this.#giveUp(worker, to);
  }

  /** It has no lane of its own any more, and gets one again in its turn. */
  #giveUp(worker: LaneWorker, to: LaneHandle): void {
    this.#places.change(worker, { type: 'evicted', to: { at: to.kind, lane: to } });
    if (needOf(worker, this.#options.clock.monotonicMs()) > Need.ordinary) this.#needing.add(worker);
  }

  /** Workers that share a lane and have none of their own on the way. */
  *#withoutOwn(): Iterable<LaneWorker> {
    for (const { workers } of this.#lanes.ofSeveral)
      for (const worker of workers) if (worker.place.own === undefined) yield worker;
  }

  /** It goes on, unless it turns out what else is to become of it. */
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

  /** Not back to the others, if it was on its way there; a lane of its own harms nobody. */
  #keep(worker: LaneWorker, lane: LaneHandle): void {
    const { place } = worker;
    if (place.at === 'moving' && place.to.lane !== place.own) this.#places.send(worker, lane);
  }

  /** One of the lane's workers did it, and nothing tells which. @returns whether that one has been found, and leaves */
  #searchFor(lane: LaneHandle, { cause, reason, isAbandoned }: LaneFailure, nowMs: number): boolean {
    const step = this.#search.afterFailure(lane, () => this.#lanes.newExtra(lane.kind), nowMs);
    if (step === undefined) return false;
    if ('move' in step) {
      const { move, to } = step;
      this.#options.logger.warn(
        { lane: lane.number, to: to.number, workers: move.length, of: lane.workerCount },
        'a lane failed and nothing tells for whom: half of its workers move, until one is left',
      );
      for (const worker of move) this.#places.send(worker, to);
      return false;
    }
    this.#endSearch();
    const { found } = step;
    if (found === undefined) return false;
    const why = `${reason}; found by moving half of its lane’s workers at a time`;
    this.#charge(found, { cause, reason: why });
    if (isAbandoned || lane.kind === 'penalty') this.#quarantine(found, why);
    else this.#sendApart(found, why);
    return true;
  }

  /** Its second lane goes when it is empty. */
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
      // One that ended a lane of late must not end the last one that runs.
      if (!isOfLate(worker.faults, nowMs)) this.#places.send(worker, to as LaneHandle);
    }
    return { restartInMs };
  }

  /** Its worker stays on it. */
  #quarantineLane(lane: LaneHandle): AfterFailure {
    const worker = this.#lanes.workerOf(lane);
    if (worker !== undefined) this.#places.change(worker, { type: 'quarantined', own: lane });
    // Once the lane has no thread any more.
    queueMicrotask(() => this.#promote());
    return { quarantineMs: this.#options.quarantineMs };
  }

  /** Away from those that it harms. */
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

  /** In a lane without a thread; one of its own that was on its way comes too late. */
  #quarantine(worker: LaneWorker, reason: string): void {
    const own = this.#newOwn(worker);
    own.quarantine(this.#options.quarantineMs, reason, worker);
    this.#places.change(worker, { type: 'quarantined', own });
    queueMicrotask(() => this.#promote());
  }

  #quarantineOver(lane: LaneHandle): void {
    const worker = this.#lanes.workerOf(lane);
    if (worker === undefined) return;
    // While a thread runs that does not end, another try may cost another thread: that is for people to decide.
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
    // Its place was given to another meanwhile.
    const other = this.#lanes.penaltyWithRoom() ?? this.#lanes.leastShared();
    this.#giveUp(worker, other);
  }

  /** Back to the shared lanes, who did no harm on the penalty lane for long. */
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

  /** Workers of shared lanes that seem to take too much time leave them; when they have left, it is known whether they did. */
  #watchTime(): void {
    for (const lane of this.#lanes.ofSeveral) {
      const worker = lane.kind === 'shared' ? lane.suspect : undefined;
      if (worker !== undefined) this.#places.change(worker, { type: 'overTime' });
    }
  }
}
