/**
 * The time in which the master can listen: its monotonic clock without the stretches in which the main thread, or the whole
 * process, did not run. Silence is measured in it alone, so that every deadline is later by what the master missed.
 *
 * After a stall, heartbeats that waited in sockets come in a burst. Attentive time stands still until main has run smoothly
 * for a while, so that they are all counted before anyone is judged.
 */

/** Main looks four times a second; twice that is no stall but a busy turn. */
const LONGEST_PAUSE_MS = 500;
/** Without another pause for so long, what waited has been read: a fleet of 10,000 sends 2,000 heartbeats in it. */
const SETTLED_AFTER_MS = 1000;
/** Stalls that follow each other for longer than this are how the master runs. */
const LONGEST_UNSETTLED_MS = 30_000;
/** Without a stall for so long, the next one is another. */
const CALM_MS = 5000;
const TELL_EVERY_MS = 60_000;

export class AttentiveClock {
  #lookedMs: number;
  /** What monotonic time is ahead of attentive time. */
  #givenBackMs = 0;
  #settledMs = Number.NEGATIVE_INFINITY;
  /** When the stalls began of which none was followed by a calm time. */
  #unsettledSinceMs = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;
  /** How long main did not run since it was last settled. */
  #stalledMs = 0;

  constructor(monotonicMs: number) {
    this.#lookedMs = monotonicMs;
  }

  /** What was before is no stall. */
  begin(monotonicMs: number): void {
    this.#givenBackMs += Math.max(0, monotonicMs - this.#lookedMs);
    this.#lookedMs = monotonicMs;
  }

  /** The moment in attentive time. Also notices a stall, since a heartbeat may be read before main looks. */
  at(monotonicMs: number): number {
    if (monotonicMs - this.#lookedMs > LONGEST_PAUSE_MS) this.#look(monotonicMs);
    return monotonicMs - this.#givenBackMs;
  }

  /** What monotonic time is ahead of it. */
  get offsetMs(): number {
    return this.#givenBackMs;
  }

  /** Whether main has run smoothly for long enough to judge anybody. */
  mayJudge(monotonicMs: number): boolean {
    return monotonicMs >= this.#settledMs;
  }

  /** Main looks round. @returns the moment in attentive time; undefined while it is too early to judge */
  look(monotonicMs: number): number | undefined {
    this.#look(monotonicMs);
    return this.mayJudge(monotonicMs) ? monotonicMs - this.#givenBackMs : undefined;
  }

  /** When a stall is over, at most once a minute: how long main did not run since it was told last, in milliseconds. */
  takeStall(): number | undefined {
    const nowMs = this.#lookedMs;
    if (this.#stalledMs === 0 || nowMs < this.#settledMs || nowMs - this.#reportedMs < TELL_EVERY_MS) return undefined;
    const stalledMs = this.#stalledMs;
    this.#stalledMs = 0;
    this.#reportedMs = nowMs;
    return stalledMs;
  }

  #look(monotonicMs: number): void {
    const beforeMs = this.#lookedMs;
    const pauseMs = monotonicMs - beforeMs;
    if (pauseMs > LONGEST_PAUSE_MS) {
      this.#stalledMs += pauseMs;
      this.#givenBackMs += pauseMs;
      this.#settle(beforeMs, monotonicMs);
    } else if (beforeMs < this.#settledMs) {
      this.#givenBackMs += Math.max(0, Math.min(monotonicMs, this.#settledMs) - beforeMs);
    }
    this.#lookedMs = Math.max(beforeMs, monotonicMs);
  }

  /** A master that never runs smoothly judges all the same, in what time it has: else nobody would ever be found dead. */
  #settle(stalledFromMs: number, monotonicMs: number): void {
    if (stalledFromMs >= this.#settledMs + CALM_MS) this.#unsettledSinceMs = stalledFromMs;
    const isChronic = stalledFromMs - this.#unsettledSinceMs > LONGEST_UNSETTLED_MS;
    this.#settledMs = isChronic ? Math.max(this.#settledMs, stalledFromMs) : monotonicMs + SETTLED_AFTER_MS;
  }
}
