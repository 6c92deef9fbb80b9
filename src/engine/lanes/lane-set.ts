/**
 * The lanes that there are: made, chosen among, started in their turn (lane-starts.ts), ended. Who is sent to which is decided
 * in lane-pool.ts.
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
  /** Whether the machine carries another dedicated lane at this moment. */
  readonly hasRoom: () => boolean;
  readonly sharedLanes: number;
  /** Of a dedicated lane. */
  readonly limits: LaneLimits;
  readonly rows: LaneHandleOptions['rows'];
  readonly workerAt: LaneHandleOptions['workerAt'];
  /** How long nothing is started after a thread that had to be left behind. */
  readonly quarantineMs: number;
  readonly processor: LaneThreadData['processor'];
  readonly allowance: LaneThreadData['allowance'];
  readonly publications: LaneHandleOptions['publications'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Omit<LaneEvents, 'onStartOver' | 'onRestartDue'> & {
    /** Threads can no longer be started, with the reason; undefined: they can again. */
    readonly onStartsFailing: (reason: string | undefined) => void;
    /** The thread of a dedicated lane that was nobody's any more has ended, or is left behind: its place is free. */
    readonly onPlaceFree: () => void;
  };
}

/** A shared lane holds the slots and heartbeats of many workers; in a tight heap all its time goes to collecting. */
const SHARED_MEMORY_FACTOR = 4;
/** Workers on the penalty lane: each failure of one starts it anew for all, so more would only wait for each other. */
const MAX_ON_PENALTY_LANE = 64;

export class LaneSet {
  readonly #options: LaneSetOptions;
  readonly #starts: LaneStarts<LaneHandle>;
  /** Lanes of one worker each, with that worker: it may still be served by a shared lane. The newest is the last. */
  readonly #own = new Map<LaneHandle, LaneHolder<LaneWorker>>();
  readonly #shared: LaneHandle[] = [];
  /** Further lanes of several workers, for a while. */
  readonly #extra = new Set<LaneHandle>();
  #penalty: LaneHandle | undefined;
  /** Lanes that are nobody's any more, until their threads have ended. */
  readonly #ending = new Set<Promise<void>>();
  /** How many of those are dedicated ones: until then they take places. */
  #endingOwn = 0;
  #isHeldBack = false;
  #isDraining = false;
  #nextNumber = 1;

  constructor(options: LaneSetOptions) {
    this.#options = options;
    this.#starts = new LaneStarts({ clock: options.clock, abandonedWaitMs: options.quarantineMs });
  }

  get all(): readonly LaneHandle[] {
    return [...this.#own.keys(), ...this.ofSeveral];
  }

  /** Lanes of several workers. */
  get ofSeveral(): readonly LaneHandle[] {
    return [...this.#shared, ...this.#extra, ...(this.#penalty === undefined ? [] : [this.#penalty])];
  }

  /** Undefined before anybody was sent there. */
  get penalty(): LaneHandle | undefined {
    return this.#penalty;
  }

  /** Whose lane it is; undefined if it is of several workers, or has ended. */
  workerOf(own: LaneHandle): LaneWorker | undefined {
    return this.#own.get(own)?.worker;
  }

  /** Whether the machine had no memory for a lane that could have been started otherwise. */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** Whether there is a place for another dedicated lane, and memory on the machine. */
  hasPlace(): boolean {
    if (!this.isBelowMost()) return false;
    this.#isHeldBack = !this.#options.hasRoom();
    return !this.#isHeldBack;
  }

  /** Whether there are fewer dedicated lanes than there may be. A lane in quarantine has no thread, and takes no place. */
  isBelowMost(): boolean {
    const { maxDedicatedLanes } = this.#options;
    return this.#own.size + this.#endingOwn < maxDedicatedLanes || this.#placesTaken() < maxDedicatedLanes;
  }

  /**
   * Whether one may give way now: its lane runs until it has left, which takes as long as the heartbeat in hand, beside the
   * one that is started in its place. As it may while no other one is leaving alone, there is one more than there may be at
   * most, or than the machine has memory for.
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

  /** Workers whose lanes may be given to others. One in quarantine takes no place, and one that leaves gives it already. */
  *holders(): Iterable<LaneHolder<LaneWorker>> {
    for (const [lane, holder] of this.#own)
      if (lane.state !== 'quarantined' && holder.worker.place.own === lane) yield holder;
  }

  // ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A lane for the worker alone, yet without a thread. */
  newOwn(worker: LaneWorker): LaneHandle {
    const own = this.#newLane('dedicated');
    this.#own.set(own, { worker, sinceMs: this.#options.clock.monotonicMs() });
    return own;
  }

  /** Another lane of several workers, until it is ended. */
  newExtra(kind: LaneKind): LaneHandle {
    const lane = this.#newLane(kind);
    this.#extra.add(lane);
    this.start(lane);
    return lane;
  }

  /** The shared lane with the fewest workers. Another is made while there are not as many as there may be. */
  leastShared(): LaneHandle {
    // Another thread may not come up for long.
    const running = this.#starts.gate.isFailing ? this.runningShared() : undefined;
    if (running !== undefined) return running;
    if (this.#shared.length < this.#options.sharedLanes) {
      const lane = this.#newShared();
      this.start(lane);
      return lane;
    }
    return this.#shared.reduce(lessBusy);
  }

  /** Undefined if none runs. */
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

  /** In its turn. Once all is being stopped, only a lane that has something to finish. */
  start(lane: LaneHandle): void {
    if (!this.#isDraining || lane.state === 'draining') this.#starts.queue(lane);
  }

  /** Starts a shared lane ahead of any worker. Resolves when its thread is ready, or has failed to be. */
  async startFirst(): Promise<LaneHandle> {
    const lane = this.#newShared();
    await this.#starts.start(lane);
    return lane;
  }

  /** Whether its thread exists and is neither ready nor has failed to be. */
  isStarting(lane: LaneHandle): boolean {
    return this.#starts.isStarting(lane);
  }

  /** @returns how long to wait before the next start */
  startFailed(failure: LaneFailure): number {
    const { clock, events } = this.#options;
    const { gate } = this.#starts;
    const nowMs = clock.monotonicMs();
    if (gate.failed(failure, nowMs)) events.onStartsFailing(failure.reason);
    return gate.waitMs(nowMs);
  }

  // ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** It is nobody's any more. */
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

  /** Lanes take no new workers and finish what they were given. */
  drain(): void {
    this.#isDraining = true;
    for (const lane of this.all) if (lane.state !== 'quarantined') lane.drain();
  }

  /** Ends all threads, all at once: one by one, a thousand take long. */
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
    const { clock, logger, events, limits, processor, rows, workerAt, allowance, publications } = this.#options;
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
