/**
 * When the threads of lanes are started: few at a time, so that a storm of registrations does not stop the gRPC front (16 at
 * once held acks back for 280 ms, 2 at once, on 2 cores, for 20 to 25); and, while starts fail, as start-gate.ts says.
 */
import { availableParallelism } from 'node:os';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { LaneKind } from '../../model/lanes.ts';
import { StartGate } from './start-gate.ts';

export interface StartableLane {
  readonly kind: LaneKind;
  /** Whether its thread is neither ready nor has failed to be. */
  readonly isStarting: boolean;
  start(): void;
}

/**
 * A start keeps a core busy for tens of milliseconds: half of the cores are left to those who are there already. No more
 * than two, since main has its part in each.
 */
const STARTS_AT_ONCE = Math.min(2, Math.max(1, Math.floor(availableParallelism() / 2)));

export class LaneStarts<L extends StartableLane> {
  /** Whether threads can be started at all: whoever owns the lanes tells it how each start ended. */
  readonly gate: StartGate;
  readonly #clock: Clock;
  readonly #atOnce: number;
  readonly #waiting: L[] = [];
  readonly #starting = new Map<L, PromiseWithResolvers<void>>();
  /** Opens the gate again. */
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

  /** Starts the lane when it is its turn. Also for lanes that died: many that die together must not all come back at once. */
  queue(lane: L): void {
    // Before those who wait for lanes of their own: it serves them until then.
    if (lane.kind === 'dedicated') this.#waiting.push(lane);
    else this.#waiting.unshift(lane);
    this.#startNext();
  }

  /** Starts the lane at once. Resolves when its thread is ready, or has failed to be. */
  start(lane: L): Promise<void> {
    const start = Promise.withResolvers<void>();
    this.#starting.set(lane, start);
    lane.start();
    if (!lane.isStarting) this.over(lane);
    return start.promise;
  }

  /** Its thread is ready, or has failed to be, or is not wanted any more. */
  over(lane: L): void {
    const start = this.#starting.get(lane);
    if (start === undefined) return;
    this.#starting.delete(lane);
    start.resolve();
    this.#startNext();
  }

  /** It is not to be started any more. */
  cancel(lane: L): void {
    const at = this.#waiting.indexOf(lane);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Starts no other. */
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
