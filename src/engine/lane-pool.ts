/**
 * Which lane serves which worker: one of its own while the budget of dedicated lanes lasts, else the shared lane with
 * the fewest workers. Threads are started few at a time, so that a storm of registrations does not stop the gRPC front:
 * 16 at once held acks back for 280 ms, 2 at once for 20 to 25.
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
  readonly events: LaneEvents;
}

const STARTS_AT_ONCE = 2;
/** A shared lane holds the slots and heartbeats of many workers; in a tight heap all its time goes to collecting. */
const SHARED_HEAP_FACTOR = 4;

export class LanePool {
  readonly #options: LanePoolOptions;
  readonly #dedicated = new Set<LaneHandle>();
  readonly #shared: LaneHandle[] = [];
  readonly #toStart: LaneHandle[] = [];
  #starting = 0;
  #nextNumber = 1;

  constructor(options: LanePoolOptions) {
    this.#options = options;
  }

  get lanes(): readonly LaneHandle[] {
    return [...this.#dedicated, ...this.#shared];
  }

  /** Finds a lane for the worker; it is served from now on. */
  assign(worker: LaneWorker): LaneHandle {
    const lane = this.#dedicated.size < this.#options.maxDedicatedLanes ? this.#newDedicated() : this.#leastShared();
    lane.serve(worker);
    return lane;
  }

  /** The worker is gone; a lane of its own ends with it. */
  async release(lane: LaneHandle, worker: LaneWorker): Promise<void> {
    lane.leave(worker);
    if (lane.shared) return;
    this.#dedicated.delete(lane);
    this.#cancelStart(lane);
    await lane.stop();
  }

  /** Ends all threads, all at once: one by one, a thousand take long. */
  async stop(): Promise<void> {
    this.#toStart.length = 0;
    await Promise.all(this.lanes.map((lane) => lane.stop()));
  }

  #newDedicated(): LaneHandle {
    const lane = this.#newLane(false);
    this.#dedicated.add(lane);
    return lane;
  }

  #leastShared(): LaneHandle {
    if (this.#shared.length < this.#options.sharedLanes) {
      const lane = this.#newLane(true);
      this.#shared.push(lane);
      return lane;
    }
    return this.#shared.reduce((least, lane) => (lane.workerCount < least.workerCount ? lane : least));
  }

  #newLane(shared: boolean): LaneHandle {
    const { clock, logger, events, laneHeapMib } = this.#options;
    const lane = new LaneHandle({
      number: this.#nextNumber++,
      shared,
      heapMib: shared ? laneHeapMib * SHARED_HEAP_FACTOR : laneHeapMib,
      clock,
      logger,
      events,
    });
    this.#toStart.push(lane);
    this.#startNext();
    return lane;
  }

  #cancelStart(lane: LaneHandle): void {
    const at = this.#toStart.indexOf(lane);
    if (at >= 0) this.#toStart.splice(at, 1);
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
