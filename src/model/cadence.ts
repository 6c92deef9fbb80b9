/**
 * How often a worker sends, as it announced, and learnt from when its heartbeats come. The shortest of the last gaps counts, so that a heartbeat which was lost on the way makes no difference. It
 * takes several gaps in a row that are longer, or so short that they are rather a burst of what had to wait, until a worker
 * is believed to have changed its pace; and two until anything is believed, since the first may span an outage.
 *
 * Until a slower pace is believed, a worker that came back after a long gap is waited for as if it kept to that gap: see
 * {@link patienceMs}. So a change of pace costs one alarm, and not one for each gap until it is believed.
 */
import { suspectAfterMs } from './liveness.ts';
import { LONGEST_INTERVAL_MS } from './pace.ts';

const BELIEVED_AT_FIRST = 2;
const BELIEVED_AFTER = 4;
/** A gap below this share of the interval is a burst, or the time between a heartbeat that came late and the next. */
const BURST_SHARE = 0.5;
/**
 * A worker that comes back after a longer outage and dies at once is found out after 22 minutes. Longer gaps are believed
 * sooner instead: nobody is away for so long twice, and sends one heartbeat in between.
 */
const LONGEST_PATIENCE_GAP_MS = 10 * 60_000;

/**
 * How long a worker is waited for after a heartbeat that came `gapMs` after the one before, while it is known to send every
 * `intervalMs`; 0: no longer than others.
 */
export function patienceMs(gapMs: number, intervalMs: number): number {
  if (gapMs <= suspectAfterMs(intervalMs)) return 0;
  return suspectAfterMs(Math.min(gapMs, LONGEST_PATIENCE_GAP_MS));
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

  /** The worker says how often it means to send; 0 = it does not. A shorter interval is believed when it is kept. */
  announce(intervalMs: number): void {
    const boundedMs = Math.min(intervalMs, LONGEST_INTERVAL_MS);
    if (boundedMs > this.#intervalMs) this.#believe(boundedMs);
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
