/**
 * When each worker is to be looked at, by row. A sweep over a large fleet must cost next to nothing: for each row stands the
 * earliest moment at which its verdict may change without news, and only rows whose moment has come are looked at.
 *
 * | a worker that                                               | is due                                                 |
 * |-------------------------------------------------------------|--------------------------------------------------------|
 * | has news which may bring its moment forward                 | with the next sweep                                    |
 * | is silent, while a brake keeps it as it is                  | in a second: its group may be another by then, not held |
 * | is inactive, and counts still among the silent of its group | when it counts no more, or else its verdict changes    |
 * | is told how often to send, when that becomes more often     | when its silence counts by the shorter interval        |
 * | is any other                                                | when its verdict changes                               |
 * | is forgotten                                                | never                                                  |
 *
 * Most news, such as the next heartbeat, only put the moment off and need not touch it: the worker is looked at too early,
 * once, and is due later then.
 */

export interface DueFacts {
  /** Without news its verdict holds up to and with this moment. */
  readonly untilMs: number;
  /** A brake keeps it from what its verdict says. */
  readonly isHeld: boolean;
  /** Up to and with this moment it counts among the silent of its group, being inactive; undefined: it does not. */
  readonly countsUntilMs: number | undefined;
}

const LOOK_AT_HELD_EVERY_MS = 1000;
const AT_ONCE = 0;
const NEVER = Number.POSITIVE_INFINITY;

/** When a worker is due that was looked at just now: beyond that moment at the earliest. */
export function dueAfter({ untilMs, isHeld, countsUntilMs = NEVER }: DueFacts, nowMs: number): number {
  return isHeld ? nowMs + LOOK_AT_HELD_EVERY_MS : Math.min(untilMs, countsUntilMs);
}

export class DueTimes {
  /** By row. */
  readonly #dueMs: Float64Array;
  /** Rows at or beyond it were never used. */
  #rows = 0;

  constructor(rows: number) {
    this.#dueMs = new Float64Array(rows).fill(NEVER);
  }

  /** There are news of the worker. */
  soon(row: number): void {
    if (row >= this.#rows) this.#rows = row + 1;
    this.#dueMs[row] = AT_ONCE;
  }

  /** Its verdict may change beyond that moment, sooner than was known. */
  by(row: number, ms: number): void {
    this.#dueMs[row] = Math.min(this.#dueMs[row] as number, ms);
  }

  /** The worker is forgotten. */
  never(row: number): void {
    this.#dueMs[row] = NEVER;
  }

  /** Hands over each row that is due: it is to be looked at now, and scheduled afterwards. */
  take(nowMs: number, look: (row: number) => void): void {
    const dueMs = this.#dueMs;
    for (let row = 0; row < this.#rows; row++) {
      if ((dueMs[row] as number) >= nowMs) continue;
      dueMs[row] = NEVER;
      look(row);
    }
  }

  /** The worker was looked at. News that came since it was taken keep it due. */
  schedule(row: number, facts: DueFacts, nowMs: number): void {
    this.#dueMs[row] = Math.min(this.#dueMs[row] as number, dueAfter(facts, nowMs));
  }
}
