/**
 * How often a worker sends, learnt from when its heartbeats come: for workers that cannot be told an interval, and cannot
 * tell theirs. The shortest of the last gaps counts, so that a heartbeat which was lost on the way makes no difference. It
 * takes several gaps in a row that are longer, or so short that they are rather a burst of what had to wait, until a worker
 * is believed to have changed its pace; and two until anything is believed, since the first may span an outage.
 */

const BELIEVED_AT_FIRST = 2;
const BELIEVED_AFTER = 4;
/** A gap below this share of the interval is a burst, or the time between a heartbeat that came late and the next. */
const BURST_SHARE = 0.5;

export class Cadence {
  /** 0 = not known yet. */
  #intervalMs: number;
  #otherMs = Number.POSITIVE_INFINITY;
  #othersInARow = 0;

  /** @param intervalMs what an earlier master knew; 0 = nothing */
  constructor(intervalMs = 0) {
    this.#intervalMs = intervalMs;
  }

  /** Milliseconds; 0 while too few heartbeats came. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** A heartbeat came `gapMs` after the one before. @returns whether the interval became shorter */
  note(gapMs: number): boolean {
    const before = this.#intervalMs;
    if (gapMs <= before && gapMs >= BURST_SHARE * before) return this.#believe(gapMs);
    this.#otherMs = Math.min(this.#otherMs, gapMs);
    const enough = before === 0 ? BELIEVED_AT_FIRST : BELIEVED_AFTER;
    return ++this.#othersInARow >= enough && this.#believe(this.#otherMs);
  }

  #believe(intervalMs: number): boolean {
    const before = this.#intervalMs;
    this.#intervalMs = Math.max(intervalMs, 1);
    this.#otherMs = Number.POSITIVE_INFINITY;
    this.#othersInARow = 0;
    return this.#intervalMs < before;
  }
}
