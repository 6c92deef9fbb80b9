/**
 * How often a worker sends, learnt from when its heartbeats come. The shortest of the last gaps counts, so that a heartbeat which was lost on the way makes no difference. It
 * takes several gaps in a row that are longer, or so short that they are rather a burst of what had to wait, until a worker
 * is believed to have changed its pace; and two until anything is believed, since the first may span an outage.
 *
 * Until a slower pace is believed, a worker of unknown pace that came back after a long gap is waited for until another such
 * gap is over: see {@link patienceMs}. So a change of pace costs one alarm, and not one for each gap until it is believed.
 */
import { suspectAfterMs } from './liveness.ts';

const BELIEVED_AT_FIRST = 2;
const BELIEVED_AFTER = 4;
/** A gap below this share of the interval is a burst, or the time between a heartbeat that came late and the next. */
const BURST_SHARE = 0.5;
/**
 * A worker that comes back after a longer outage and dies at once is found out after 6 minutes. Longer gaps are believed
 * sooner instead: nobody is away for so long twice, and sends one heartbeat in between.
 */
const LONGEST_PATIENCE_GAP_MS = 5 * 60_000;
/** A heartbeat at the new pace may be a little late. */
const PATIENCE_GAPS = 1.2;

/**
 * How long a worker is waited for after a heartbeat that came `gapMs` after the one before, while it is known to send every
 * `intervalMs`; 0: no longer than others.
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

  /** @param intervalMs what an earlier master knew; 0 = nothing */
  constructor(intervalMs = 0) {
    this.#intervalMs = intervalMs;
  }

  /** Milliseconds; 0 while too few heartbeats came. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** What it did before says nothing any more. */
  reset(): void {
    this.#intervalMs = 0;
    this.#otherMs = Number.POSITIVE_INFINITY;
    this.#othersInARow = 0;
  }

  /** A heartbeat came `gapMs` after the one before. @returns whether the interval became shorter */
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
