/**
 * Which lane serves which worker: one of its own while the budget of dedicated lanes lasts, else the shared lane with
 * the fewest workers.
 *
 * A start is never waited for. Threads are started few at a time, so that a storm of registrations does not stop the
 * gRPC front: 16 at once held acks back for 280 ms, 2 at once for 20 to 25. Meanwhile a shared lane serves the worker,
 * which moves once its own lane is up. What moves is the slot and the heartbeats that are not done; the new lane is
 * given them when the old one has said that it will not touch the slot again, so that a slot has one writer.
 */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import { type LaneEvents, LaneHandle, type LaneWorker } from './lane-handle.ts';

export interface LanePoolOptions {
  readonly maxDedicatedLanes: number;
  readonly sharedLanes: number;
  readonly laneHeapMib: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Omit<LaneEvents, 'onRestartDue'>;
}

const STARTS_AT_ONCE = 2;
/** A shared lane holds the slots and heartbeats of many workers; in a tight heap all its time goes to collecting. */
const SHARED_HEAP_FACTOR = 4;

export class LanePool {
  readonly #options: LanePoolOptions;
  /** Lanes of one worker, by their worker: it may still be served by a shared lane. */
  readonly #own = new Map<LaneWorker, LaneHandle>();
  readonly #shared: LaneHandle[] = [];
  readonly #toStart: LaneHandle[] = [];
  #starting = 0;
  #nextNumber = 1;
  #stopped = false;

  constructor(options: LanePoolOptions) {
    this.#options = options;
  }

  get lanes(): readonly LaneHandle[] {
    return [...this.#own.values(), ...this.#shared];
  }

  /** Finds a lane for a worker that has none. */
  assign(worker: LaneWorker): void {
    if (this.#own.size >= this.#options.maxDedicatedLanes) this.#serve(worker, this.#leastShared());
    else this.#assignOwn(worker);
  }

  /** The worker is gone; a lane of its own ends with it, and its place is another worker's. */
  async release(worker: LaneWorker): Promise<void> {
    void worker.lane?.leave(worker);
    worker.lane = undefined;
    const own = this.#own.get(worker);
    if (own === undefined) return;
    this.#own.delete(worker);
    const waiting = this.#toStart.indexOf(own);
    if (waiting >= 0) this.#toStart.splice(waiting, 1);
    this.#promote();
    await own.stop();
  }

  /** Ends all threads, all at once: one by one, a thousand take long. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#toStart.length = 0;
    await Promise.all(this.lanes.map((lane) => lane.stop()));
  }

  #assignOwn(worker: LaneWorker): void {
    const own = this.#reserve(worker);
    // Started at once, it needs no stand-in.
    this.#serve(worker, this.#toStart.includes(own) ? this.#leastShared() : own);
  }

  /** Starts a lane of the worker's own, in its turn; the worker moves to it when it is up. */
  #reserve(worker: LaneWorker): LaneHandle {
    const own = this.#newLane(false);
    this.#own.set(worker, own);
    this.#queueStart(own);
    void own.ready.then(() => this.#move(worker, own));
    return own;
  }

  async #move(worker: LaneWorker, own: LaneHandle): Promise<void> {
    const from = worker.lane;
    if (from === own || this.#own.get(worker) !== own) return;
    // From here on its heartbeats wait in the mailbox.
    worker.lane = own;
    await from?.leave(worker);
    // Forgotten meanwhile?
    if (this.#own.get(worker) === own) this.#serve(worker, own);
  }

  /** Gives a free place among the dedicated lanes to a worker that shares one. */
  #promote(): void {
    if (this.#stopped) return;
    for (const lane of this.#shared) {
      for (const worker of lane.workers) {
        if (this.#own.size >= this.#options.maxDedicatedLanes) return;
        if (!this.#own.has(worker)) this.#reserve(worker);
      }
    }
  }

  #serve(worker: LaneWorker, lane: LaneHandle): void {
    worker.lane = lane;
    lane.serve(worker);
    this.#options.events.onChange(lane);
  }

  #leastShared(): LaneHandle {
    if (this.#shared.length < this.#options.sharedLanes) {
      const lane = this.#newLane(true);
      this.#shared.push(lane);
      this.#queueStart(lane);
      return lane;
    }
    return this.#shared.reduce((least, lane) => (lane.workerCount < least.workerCount ? lane : least));
  }

  #newLane(shared: boolean): LaneHandle {
    const { clock, logger, events, laneHeapMib } = this.#options;
    return new LaneHandle({
      number: this.#nextNumber++,
      shared,
      heapMib: shared ? laneHeapMib * SHARED_HEAP_FACTOR : laneHeapMib,
      clock,
      logger,
      events: { ...events, onRestartDue: (due) => this.#queueStart(due) },
    });
  }

  /** Also for lanes that died: many that die together must not all come back in one instant. */
  #queueStart(lane: LaneHandle): void {
    if (this.#stopped) return;
    // Before those who wait for lanes of their own: it serves them until then.
    if (lane.shared) this.#toStart.unshift(lane);
    else this.#toStart.push(lane);
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
}
