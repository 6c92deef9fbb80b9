/**
 * The time during which the master could receive: its monotonic clock without the periods in which the main thread, or
 * the whole process, did not run. Silence is measured in this time, so that every deadline moves by what the master
 * missed.
 *
 * After a stall, heartbeats that waited in sockets arrive in a burst. Attentive time stands still until main has run
 * smoothly for a while, so that all of them are counted before any worker is judged.
 */

/** Main looks four times a second; up to twice that interval is a busy turn, not a stall. */
const LONGEST_PAUSE_MS = 500;
/**
 * After this long without another stall, waiting data has been read: a fleet of 10,000 sends 2,000 heartbeats in it.
 */
const SETTLED_AFTER_MS = 1000;
/** If stalls follow each other for longer than this, they are taken as normal operation. */
const LONGEST_UNSETTLED_MS = 30_000;
/** After this long without a stall, the next one starts a new series. */
const CALM_MS = 5000;
const TELL_EVERY_MS = 60_000;

export class AttentiveClock {
  #lookedMs: number;
  /** Difference between monotonic and attentive time. */
  #givenBackMs = 0;
  #settledMs = Number.NEGATIVE_INFINITY;
  /** Start of the current series of stalls. */
  #unsettledSinceMs = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;
  /** Total time that main did not run since it was last settled. */
  #stalledMs = 0;

  constructor(monotonicMs: number) {
    this.#lookedMs = monotonicMs;
  }

  /** Starts the clock; what came before is not a stall. */
  begin(monotonicMs: number): void {
    this.#givenBackMs += Math.max(0, monotonicMs - this.#lookedMs);
    this.#lookedMs = monotonicMs;
  }

  /** Converts to attentive time. Also detects a stall, since a heartbeat may be read before main looks. */
  at(monotonicMs: number): number {
    if (monotonicMs - this.#lookedMs > LONGEST_PAUSE_MS) this.#look(monotonicMs);
    return monotonicMs - this.#givenBackMs;
  }

  /** Difference between monotonic and attentive time. */
  get offsetMs(): number {
    return this.#givenBackMs;
  }

  /** Whether main has run smoothly for long enough to judge workers. */
  mayJudge(monotonicMs: number): boolean {
    return monotonicMs >= this.#settledMs;
  }

  /** Called at each look of main. @returns attentive time; undefined while it is too early to judge */
  look(monotonicMs: number): number | undefined {
    this.#look(monotonicMs);
    return this.mayJudge(monotonicMs) ? monotonicMs - this.#givenBackMs : undefined;
  }

  /**
   * After a stall, at most once a minute: how long main did not run since the last call that returned a value, in ms.
   */
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

  /**
   * A master that never runs smoothly judges anyway, in the time it has; otherwise no failure would ever be detected.
   */
  #settle(stalledFromMs: number, monotonicMs: number): void {
    if (stalledFromMs >= this.#settledMs + CALM_MS) this.#unsettledSinceMs = stalledFromMs;
    const isChronic = stalledFromMs - this.#unsettledSinceMs > LONGEST_UNSETTLED_MS;
    this.#settledMs = isChronic ? Math.max(this.#settledMs, stalledFromMs) : monotonicMs + SETTLED_AFTER_MS;
  }
}
