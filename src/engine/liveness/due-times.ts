/**
 * When each worker must be checked next, by row. Sweeps over a large fleet must be cheap: each row has the earliest
 * time at which its verdict may change without news, and only due rows are checked.
 *
 * | a worker that                                                | is due                                                 |
 * |--------------------------------------------------------------|--------------------------------------------------------|
 * | has news that may make it due earlier                        | at the next sweep                                      |
 * | is silent, while a brake holds its state                     | in a second: it may join a group without a brake       |
 * | is inactive, but still counts as silent in its group         | when it stops counting, or its verdict changes         |
 * | gets a shorter interval from the master                      | when its silence counts by the shorter interval        |
 * | is any other                                                 | when its verdict changes                               |
 * | was removed                                                  | never                                                  |
 *
 * Most news, such as the next heartbeat, only makes a worker due later and need not update its time: the worker is
 * checked once too early, and then gets the later time.
 */

export interface DueFacts {
  /** Without news, its verdict holds up to and including this time. */
  readonly untilMs: number;
  /** A brake prevents the change of state that its verdict demands. */
  readonly isHeld: boolean;
  /** Up to and including this time, the inactive worker counts as silent in its group; undefined: it does not count. */
  readonly countsUntilMs: number | undefined;
}

const LOOK_AT_HELD_EVERY_MS = 1000;
const AT_ONCE = 0;
const NEVER = Number.POSITIVE_INFINITY;

/** When a worker that was just checked is due again: later than now. */
export function dueAfter({ untilMs, isHeld, countsUntilMs = NEVER }: DueFacts, nowMs: number): number {
  return isHeld ? nowMs + LOOK_AT_HELD_EVERY_MS : Math.min(untilMs, countsUntilMs);
}

export class DueTimes {
  /** Due times by row. */
  readonly #dueMs: Float64Array;
  /** Rows from this one on were never used. */
  #rows = 0;

  constructor(rows: number) {
    this.#dueMs = new Float64Array(rows).fill(NEVER);
  }

  /** There is news of the worker. */
  soon(row: number): void {
    if (row >= this.#rows) this.#rows = row + 1;
    this.#dueMs[row] = AT_ONCE;
  }

  /** The worker's verdict may change after this time, earlier than known before. */
  by(row: number, ms: number): void {
    this.#dueMs[row] = Math.min(this.#dueMs[row] as number, ms);
  }

  /** The worker was removed. */
  never(row: number): void {
    this.#dueMs[row] = NEVER;
  }

  /** Passes each due row to `look`, which must schedule it again. */
  take(nowMs: number, look: (row: number) => void): void {
    const dueMs = this.#dueMs;
    for (let row = 0; row < this.#rows; row++) {
      if ((dueMs[row] as number) >= nowMs) continue;
      dueMs[row] = NEVER;
      look(row);
    }
  }

  /** Schedules the worker's next check. News since it was taken keeps it due. */
  schedule(row: number, facts: DueFacts, nowMs: number): void {
    this.#dueMs[row] = Math.min(this.#dueMs[row] as number, dueAfter(facts, nowMs));
  }
}
