/**
 * Schedules the starts of lane threads: few at a time, so that a storm of registrations does not block the gRPC server
 * (on 2 cores, 16 concurrent starts delayed acks by 280 ms, 2 by 20 to 25 ms); while starts fail, as start-gate.ts
 * decides.
 */
import { availableParallelism } from 'node:os';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { LaneKind } from '../../model/lanes.ts';
import { StartGate } from './start-gate.ts';

export interface StartableLane {
  readonly kind: LaneKind;
  /** Whether its thread is neither ready nor failed. */
  readonly isStarting: boolean;
  start(): void;
}

/**
 * A start occupies a core for tens of milliseconds, so half of the cores are left for running lanes. At most two, since
 * each start needs main, too.
 */
const STARTS_AT_ONCE = Math.min(2, Math.max(1, Math.floor(availableParallelism() / 2)));

export class LaneStarts<L extends StartableLane> {
  /** Whether threads can be started; the owner reports how each start ended. */
  readonly gate: StartGate;
  readonly #clock: Clock;
  readonly #atOnce: number;
  readonly #waiting: L[] = [];
  readonly #starting = new Map<L, PromiseWithResolvers<void>>();
  /** Timer that reopens the gate. */
  #gateTimer: Timer | undefined;

  /** @param abandonedWaitMs see {@link StartGate} */
  constructor({
    clock,
    abandonedWaitMs,
    atOnce = STARTS_AT_ONCE,
  }: {
    readonly clock: Clock;
    readonly abandonedWaitMs: number;
    readonly atOnce?: number;
  }) {
    this.#clock = clock;
    this.gate = new StartGate(abandonedWaitMs);
    this.#atOnce = atOnce;
  }

  isStarting(lane: L): boolean {
    return this.#starting.has(lane);
  }

  /** Queues a start or restart of the lane; lanes that fail together must not all restart at once. */
  queue(lane: L): void {
    // Shared lanes first: they serve the workers that wait for dedicated ones.
    if (lane.kind === 'dedicated') this.#waiting.push(lane);
    else this.#waiting.unshift(lane);
    this.#startNext();
  }

  /** Starts the lane at once. Resolves when its thread is ready or has failed to start. */
  start(lane: L): Promise<void> {
    const start = Promise.withResolvers<void>();
    this.#starting.set(lane, start);
    lane.start();
    if (!lane.isStarting) this.over(lane);
    return start.promise;
  }

  /** Called when the thread is ready, has failed, or is no longer needed. */
  over(lane: L): void {
    const start = this.#starting.get(lane);
    if (start === undefined) return;
    this.#starting.delete(lane);
    start.resolve();
    this.#startNext();
  }

  /** Removes the lane from the queue. */
  cancel(lane: L): void {
    const at = this.#waiting.indexOf(lane);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Starts no further lanes. */
  stop(): void {
    this.#gateTimer?.cancel();
    this.#waiting.length = 0;
  }

  #startNext(): void {
    const waitMs = this.gate.waitMs(this.#clock.monotonicMs());
    if (waitMs > 0) {
      this.#gateTimer ??= this.#clock.after(waitMs, () => {
        this.#gateTimer = undefined;
        this.#startNext();
      });
      return;
    }
    while (this.#starting.size < (this.gate.isFailing ? 1 : this.#atOnce)) {
      const lane = this.#waiting.shift();
      if (lane === undefined) return;
      void this.start(lane);
    }
  }
}
