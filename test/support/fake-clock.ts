/** Time that passes when the test says so; timers fire in the order in which they are due. */
import type { Clock, Timer } from '../../src/lib/clock.ts';

interface Due {
  atMs: number;
  readonly periodMs: number | undefined;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  readonly #timers = new Set<Due>();
  #wallStartMs: number;
  #nowMs = 0;

  /** The wall clock starts at the real time, since gRPC deadlines are judged by it. */
  constructor(wallStartMs = Date.now()) {
    this.#wallStartMs = wallStartMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + delayMs, periodMs: undefined, fn });
  }

  every(periodMs: number, fn: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + periodMs, periodMs, fn });
  }

  /** Sets the wall clock forward, or back. */
  stepWall(byMs: number): void {
    this.#wallStartMs += byMs;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass and fires what is due on the way. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let due = this.#next(endMs); due !== undefined; due = this.#next(endMs)) {
      this.#nowMs = due.atMs;
      if (due.periodMs === undefined) this.#timers.delete(due);
      else due.atMs += due.periodMs;
      due.fn();
    }
    this.#nowMs = endMs;
  }

  #add(due: Due): Timer {
    this.#timers.add(due);
    return {
      cancel: () => {
        this.#timers.delete(due);
      },
    };
  }

  #next(endMs: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#timers) {
      if (due.atMs <= endMs && (first === undefined || due.atMs < first.atMs)) first = due;
    }
    return first;
  }
}
