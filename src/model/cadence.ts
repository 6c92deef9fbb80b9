/**
 * A worker's heartbeat interval, estimated from arrivals. The shortest of the last gaps counts, so that a lost
 * heartbeat makes no difference. A change of pace is accepted after several gaps in a row that are longer, or shorter
 * but not so short that they look like a burst of delayed heartbeats. The first estimate takes two gaps, since one may
 * span an outage.
 *
 * Until a slower pace is accepted, a worker of unknown pace that came back after a long gap gets as much time again,
 * see {@link patienceMs}. So a change of pace causes one alarm, not one per gap until it is accepted.
 */
import { suspectAfterMs } from './liveness.ts';

const BELIEVED_AT_FIRST = 2;
const BELIEVED_AFTER = 4;
/** A gap below this share of the interval is part of a burst, or follows a heartbeat that arrived late. */
const BURST_SHARE = 0.5;
/**
 * A worker that returns after a longer outage and dies at once is detected after 6 minutes. Longer gaps are accepted as
 * a pace sooner instead, since an outage of that length hardly occurs twice with a single heartbeat in between.
 */
const LONGEST_PATIENCE_GAP_MS = 5 * 60_000;
/** Allows a heartbeat at the new pace to be slightly late. */
const PATIENCE_GAPS = 1.2;

/**
 * Extra time for a worker with the known interval `intervalMs` after a heartbeat that came `gapMs` after the previous
 * one; 0: none.
 */
export function patienceMs(gapMs: number, intervalMs: number): number {
  if (gapMs <= suspectAfterMs(intervalMs)) return 0;
  return PATIENCE_GAPS * Math.min(gapMs, LONGEST_PATIENCE_GAP_MS);
}

export class Cadence {
  /** 0 = not known yet. */
  #intervalMs: number;
  #otherMs = Number.POSITIVE_INFINITY;
  #othersInARow = 0;

  /** @param intervalMs known from an earlier master; 0 = unknown */
  constructor(intervalMs = 0) {
    this.#intervalMs = intervalMs;
  }

  /** In milliseconds; 0 while too few heartbeats have arrived. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** Forgets the earlier pace. */
  reset(): void {
    this.#intervalMs = 0;
    this.#otherMs = Number.POSITIVE_INFINITY;
    this.#othersInARow = 0;
  }

  /** A heartbeat arrived `gapMs` after the previous one. @returns whether the interval became shorter */
  note(gapMs: number): boolean {
    const before = this.#intervalMs;
    if (gapMs <= before && gapMs >= BURST_SHARE * before) return this.#believe(gapMs);
    this.#otherMs = Math.min(this.#otherMs, gapMs);
    const isQuick = before === 0 || this.#otherMs > LONGEST_PATIENCE_GAP_MS;
    const enough = isQuick ? BELIEVED_AT_FIRST : BELIEVED_AFTER;
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
