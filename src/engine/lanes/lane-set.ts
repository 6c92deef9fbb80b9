/**
 * The existing lanes: creates, selects, starts (lane-starts.ts) and ends them. lane-pool.ts decides which worker goes
 * where.
 */
import type { LaneThreadData } from '../../lane/messages.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import type { LaneKind } from '../../model/lanes.ts';
import type { LaneLimits } from './lane-contract.ts';
import {
  type LaneEvents,
  type LaneFailure,
  LaneHandle,
  type LaneHandleOptions,
  type LaneWorker,
} from './lane-handle.ts';
import type { LaneHolder } from './lane-policy.ts';
import { LaneStarts } from './lane-starts.ts';

export interface LaneSetOptions {
  readonly maxDedicatedLanes: number;
  /** Whether the machine currently has room for another dedicated lane. */
  readonly hasRoom: () => boolean;
  readonly sharedLanes: number;
  /** Limits of a dedicated lane. */
  readonly limits: LaneLimits;
  readonly rows: LaneHandleOptions['rows'];
  readonly workerAt: LaneHandleOptions['workerAt'];
  /** Pause of all starts after a thread that had to be abandoned. */
  readonly quarantineMs: number;
  readonly processor: LaneThreadData['processor'];
  readonly allowance: LaneThreadData['allowance'];
  readonly publications: LaneHandleOptions['publications'];
  readonly applyTimes: LaneHandleOptions['applyTimes'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Omit<LaneEvents, 'onStartOver' | 'onRestartDue'> & {
    /** Called with the reason when threads can no longer be started; with undefined when they can again. */
    readonly onStartsFailing: (reason: string | undefined) => void;
    /** Called when the thread of an unused dedicated lane has ended or was abandoned, so that its place is free. */
    readonly onPlaceFree: () => void;
  };
}

/**
 * A shared lane holds slots and heartbeats of many workers; a tight heap would spend all its time on garbage
 * collection.
 */
const SHARED_MEMORY_FACTOR = 4;
/** Maximum number of workers on the penalty lane: each failure of one restarts it for all. */
const MAX_ON_PENALTY_LANE = 64;

export class LaneSet {
  readonly #options: LaneSetOptions;
  readonly #starts: LaneStarts<LaneHandle>;
  /** Dedicated lanes with their workers, newest last; the worker may still be served by a shared lane. */
  readonly #own = new Map<LaneHandle, LaneHolder<LaneWorker>>();
  readonly #shared: LaneHandle[] = [];
  /** Further shared lanes, which exist for a while. */
  readonly #extra = new Set<LaneHandle>();
  #penalty: LaneHandle | undefined;
  /** Unused lanes whose threads have not ended yet. */
  readonly #ending = new Set<Promise<void>>();
  /** Number of dedicated lanes among them, which still take places. */
  #endingOwn = 0;
  #isHeldBack = false;
  #isDraining = false;
  #isStartingFirst = false;
  #nextNumber = 1;

  constructor(options: LaneSetOptions) {
    this.#options = options;
    this.#starts = new LaneStarts({ clock: options.clock, abandonedWaitMs: options.quarantineMs });
  }

  get all(): readonly LaneHandle[] {
    return [...this.#own.keys(), ...this.ofSeveral];
  }

  /** All lanes that serve several workers. */
  get ofSeveral(): readonly LaneHandle[] {
    return [...this.#shared, ...this.#extra, ...(this.#penalty === undefined ? [] : [this.#penalty])];
  }

  /** Undefined before it was first needed. */
  get penalty(): LaneHandle | undefined {
    return this.#penalty;
  }

  /** The worker of a dedicated lane; undefined if the lane is shared or has ended. */
  workerOf(own: LaneHandle): LaneWorker | undefined {
    return this.#own.get(own)?.worker;
  }

  /** Whether a dedicated lane was not started for lack of memory on the machine. */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** Whether another dedicated lane is allowed, and the machine has memory for it. */
  hasPlace(): boolean {
    if (!this.isBelowMost()) return false;
    this.#isHeldBack = !this.#options.hasRoom();
    return !this.#isHeldBack;
  }

  /**
   * Whether the number of dedicated lanes is below its maximum. Lanes in quarantine have no thread and do not count.
   */
  isBelowMost(): boolean {
    const { maxDedicatedLanes } = this.#options;
    return this.#own.size + this.#endingOwn < maxDedicatedLanes || this.#placesTaken() < maxDedicatedLanes;
  }

  /**
   * Whether a worker may give way now. Its lane runs until it has left, which takes as long as the heartbeat in
   * process, while the next lane is started. Only one worker may be leaving at a time, so there is at most one lane
   * more than allowed, or than the machine has memory for.
   */
  get mayGiveWay(): boolean {
    if (this.#endingOwn > 0 || this.#placesTaken() > this.#options.maxDedicatedLanes) return false;
    for (const [lane, { worker }] of this.#own) if (worker.place.own !== lane) return false;
    return true;
  }

  #placesTaken(): number {
    let places = this.#endingOwn;
    for (const { state } of this.#own.keys()) if (state !== 'quarantined') places++;
    return places;
  }

  /** Workers whose lanes may be given to others; not those in quarantine, which take no place, or those that leave. */
  *holders(): Iterable<LaneHolder<LaneWorker>> {
    for (const [lane, holder] of this.#own)
      if (lane.state !== 'quarantined' && holder.worker.place.own === lane) yield holder;
  }

  // ── selecting ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Creates a dedicated lane for the worker, without a thread yet. */
  newOwn(worker: LaneWorker): LaneHandle {
    const own = this.#newLane('dedicated');
    this.#own.set(own, { worker, sinceMs: this.#options.clock.monotonicMs() });
    return own;
  }

  /** Creates a further shared lane, until it is ended. */
  newExtra(kind: LaneKind): LaneHandle {
    const lane = this.#newLane(kind);
    this.#extra.add(lane);
    this.start(lane);
    return lane;
  }

  /** The shared lane with the fewest workers; creates one while there are fewer than the maximum. */
  leastShared(): LaneHandle {
    // While starts fail, a new thread may not become ready for a long time.
    const running = this.#starts.gate.isFailing ? this.runningShared() : undefined;
    if (running !== undefined) return running;
    if (this.#shared.length < this.#options.sharedLanes) {
      const lane = this.#newShared();
      this.start(lane);
      return lane;
    }
    return this.#shared.reduce(lessBusy);
  }

  /** The running shared lane with the fewest workers; undefined if none runs. */
  runningShared(): LaneHandle | undefined {
    const running = this.#shared.filter(({ state }) => state === 'ready');
    return running.length === 0 ? undefined : running.reduce(lessBusy);
  }

  /** The penalty lane; undefined if it is full. */
  penaltyWithRoom(): LaneHandle | undefined {
    if (this.#penalty === undefined) {
      this.#penalty = this.#newLane('penalty');
      this.start(this.#penalty);
    }
    return this.#penalty.workerCount < MAX_ON_PENALTY_LANE ? this.#penalty : undefined;
  }

  // ── starting ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Queues the lane's start. During a stop, only lanes with unfinished work are started. */
  start(lane: LaneHandle): void {
    if (!this.#isDraining || lane.state === 'draining') this.#starts.queue(lane);
  }

  /** Starts a shared lane ahead of any worker. Resolves when its thread is ready or has failed to start. */
  async startFirst(): Promise<LaneHandle> {
    const lane = this.#newShared();
    this.#isStartingFirst = true;
    await this.#starts.start(lane);
    this.#isStartingFirst = false;
    return lane;
  }

  /** The caller of startFirst reports the reason itself, so it is not logged as a fault of a running master. */
  get isStartingFirst(): boolean {
    return this.#isStartingFirst;
  }

  /** Whether its thread exists and is neither ready nor failed. */
  isStarting(lane: LaneHandle): boolean {
    return this.#starts.isStarting(lane);
  }

  /** @returns the delay before the next start */
  startFailed(failure: LaneFailure): number {
    const { clock, events } = this.#options;
    const { gate } = this.#starts;
    const nowMs = clock.monotonicMs();
    if (gate.failed(failure, nowMs) && !this.#isStartingFirst) events.onStartsFailing(failure.reason);
    return gate.waitMs(nowMs);
  }

  // ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends an unused lane. */
  end(lane: LaneHandle): void {
    const wasOwn = this.#own.delete(lane);
    this.#extra.delete(lane);
    this.#starts.cancel(lane);
    if (wasOwn) this.#endingOwn++;
    const ending = lane.stop().finally(() => {
      this.#ending.delete(ending);
      if (!wasOwn) return;
      this.#endingOwn--;
      this.#options.events.onPlaceFree();
    });
    this.#ending.add(ending);
  }

  /** Stops assigning workers; lanes finish their work. */
  drain(): void {
    this.#isDraining = true;
    for (const lane of this.all) if (lane.state !== 'quarantined') lane.drain();
  }

  /** Ends all threads concurrently: one by one, a thousand would take long. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#starts.stop();
    await Promise.all([...this.all.map((lane) => lane.stop()), ...this.#ending]);
  }

  #newShared(): LaneHandle {
    const lane = this.#newLane('shared');
    this.#shared.push(lane);
    return lane;
  }

  #newLane(kind: LaneKind): LaneHandle {
    const { clock, logger, events, limits, processor, rows, workerAt, allowance, publications, applyTimes } =
      this.#options;
    const factor = kind === 'dedicated' ? 1 : SHARED_MEMORY_FACTOR;
    return new LaneHandle({
      number: this.#nextNumber++,
      kind,
      limits: { ...limits, heapMib: limits.heapMib * factor, offHeapMib: limits.offHeapMib * factor },
      rows,
      workerAt,
      processor: processor && { ...processor, offHeapBytes: processor.offHeapBytes * factor },
      allowance,
      publications,
      applyTimes,
      clock,
      logger,
      events: {
        ...events,
        onReady: (lane) => {
          if (this.#starts.gate.succeeded()) events.onStartsFailing(undefined);
          events.onReady(lane);
        },
        onStartOver: (lane) => this.#starts.over(lane),
        onRestartDue: (lane) => this.start(lane),
      },
    });
  }
}

function lessBusy(a: LaneHandle, b: LaneHandle): LaneHandle {
  return b.workerCount < a.workerCount ? b : a;
}
