/** Calls `send` at a steady rate: late ticks catch up on what they missed. */

/** The resolution of timers. */
const TICK_MS = 1;

export class Ticks {
  readonly #timer: NodeJS.Timeout;
  readonly #send: (number: number, dueMs: number) => void;
  #perMs: number;
  #startMs = performance.now();
  #sentSinceStart = 0;
  #number = 0;

  /** `number` counts from 0; `dueMs` is by `performance.now()`. */
  constructor(perSecond: number, send: (number: number, dueMs: number) => void) {
    this.#perMs = perSecond / 1000;
    this.#send = send;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  setRate(perSecond: number): void {
    this.#perMs = perSecond / 1000;
    this.#startMs = performance.now();
    this.#sentSinceStart = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    // Due are those of whole ticks, so that a timer that comes in time is not late by the fraction.
    const elapsedMs = Math.floor((performance.now() - this.#startMs) / TICK_MS) * TICK_MS;
    const due = Math.floor(elapsedMs * this.#perMs);
    for (; this.#sentSinceStart < due; this.#sentSinceStart++) {
      const dueMs = this.#startMs + Math.ceil((this.#sentSinceStart + 1) / this.#perMs / TICK_MS) * TICK_MS;
      this.#send(this.#number++, dueMs);
    }
  }
}
