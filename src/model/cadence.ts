/**
 * How often a worker sends, learnt from when its heartbeats come: for workers that cannot be told an interval, and cannot
 * tell theirs. The shortest of the last gaps counts, so that a heartbeat which was lost on the way makes no difference. It
 * takes several gaps in a row that are longer, or so short that they are rather a burst of what had to wait, until a worker
 * is believed to have changed its pace.
 */

const BELIEVED_AFTER = 4;
/** A gap below this share of the interval is a burst. */
const BURST_SHARE = 0.1;

export class Cadence {
  /** 0 = not known yet. */
  #intervalMs = 0;
  #otherMs = Number.POSITIVE_INFINITY;
  #othersInARow = 0;

  /** Milliseconds; 0 if fewer than two heartbeats came. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** A heartbeat came `gapMs` after the one before. @returns whether the interval became shorter */
  note(gapMs: number): boolean {
    const before = this.#intervalMs;
    const isPlausible = gapMs <= before && gapMs >= BURST_SHARE * before;
    if (before === 0 || isPlausible) return this.#believe(gapMs);
    this.#otherMs = Math.min(this.#otherMs, gapMs);
    return ++this.#othersInARow >= BELIEVED_AFTER && this.#believe(this.#otherMs);
  }

  #believe(intervalMs: number): boolean {
    const before = this.#intervalMs;
    this.#intervalMs = Math.max(intervalMs, 1);
    this.#otherMs = Number.POSITIVE_INFINITY;
    this.#othersInARow = 0;
    return this.#intervalMs < before;
  }
}
