/** A rate for each of many, by name: bounded, and without a timer. */
import { afterArrival, NEVER_MS, type RateLimit } from './heartbeat-rate.ts';

export class RateTable {
  readonly #limit: RateLimit | undefined;
  readonly #maxNames: number;
  /** When the next one of each is due. Longest unheard first. */
  readonly #dueMs = new Map<string, number>();

  /**
   * @param limit of each name; undefined: none
   * @param maxNames remembered at a time: beyond it the one unheard for longest gives way, and may begin anew
   */
  constructor(limit: RateLimit | undefined, maxNames: number) {
    this.#limit = limit;
    this.#maxNames = maxNames;
  }

  get size(): number {
    return this.#dueMs.size;
  }

  /** It does once more what is limited. @returns whether it may */
  mayGoOn(name: string, nowMs: number): boolean {
    if (this.#limit === undefined) return true;
    const dueMs = afterArrival(this.#dueMs.get(name) ?? NEVER_MS, nowMs, this.#limit);
    if (dueMs === undefined) return false;
    this.#dueMs.delete(name);
    this.#dueMs.set(name, dueMs);
    this.#shrink(nowMs);
    return true;
  }

  /** Of those that are over two go for one that comes, so that it holds no more than were heard of late. */
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
