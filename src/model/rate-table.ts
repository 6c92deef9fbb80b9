/** Rate limits by name: bounded, and without a timer. */
import { afterArrival, NEVER_MS, type RateLimit } from './heartbeat-rate.ts';

export class RateTable {
  readonly #limit: RateLimit | undefined;
  readonly #maxNames: number;
  /** Due times, least recently used first. */
  readonly #dueMs = new Map<string, number>();

  /**
   * @param limit per name; undefined: none
   * @param maxNames maximum number of names stored; beyond it the least recently used one is dropped, and starts afresh
   */
  constructor(limit: RateLimit | undefined, maxNames: number) {
    this.#limit = limit;
    this.#maxNames = maxNames;
  }

  get size(): number {
    return this.#dueMs.size;
  }

  /** Counts an action of the name. @returns whether it is allowed */
  mayGoOn(name: string, nowMs: number): boolean {
    if (this.#limit === undefined) return true;
    const dueMs = afterArrival(this.#dueMs.get(name) ?? NEVER_MS, nowMs, this.#limit);
    if (dueMs === undefined) return false;
    this.#dueMs.delete(name);
    this.#dueMs.set(name, dueMs);
    this.#shrink(nowMs);
    return true;
  }

  /** Drops up to two expired names per new one, so that only recent names are stored. */
  #shrink(nowMs: number): void {
    let looked = 0;
    for (const [name, dueMs] of this.#dueMs) {
      const isFull = this.#dueMs.size > this.#maxNames;
      if (!isFull && (dueMs > nowMs || looked >= 2)) return;
      this.#dueMs.delete(name);
      looked++;
    }
  }
}
