/**
 * Detects stalled threads: a thread has work and makes no progress for too long. Time is counted in looks, each for at
 * most {@link MOST_PER_LOOK_MS}, so that a pause of main, or of the whole process, is not taken for a stall of the
 * thread.
 */

/** Two sweeps. */
const MOST_PER_LOOK_MS = 500;
/**
 * Allows for a processor's imports on a machine that starts a thousand threads; a thread that never gets ready is
 * terminated.
 */
const READY_WITHIN_MS = 30_000;

/** A thread that used less than this share of CPU during the stall is waiting for something. */
const WAITS_BELOW = 0.01;
/** A thread that has used this share of the allowed time as CPU time should have made progress. */
const WORKED_SHARE = 0.25;

/**
 * Whether a thread without progress is stuck. If not, it only gets no CPU: on an overloaded machine, a lane must not be
 * terminated, and its worker charged, for that.
 */
export function isStuck({
  stoodStillMs,
  allowedMs,
  cpuMs,
}: {
  readonly stoodStillMs: number;
  readonly allowedMs: number;
  /** CPU time used meanwhile; undefined if the thread does not answer, as in a system call. */
  readonly cpuMs: number | undefined;
}): boolean {
  return cpuMs === undefined || cpuMs < WAITS_BELOW * stoodStillMs || cpuMs >= WORKED_SHARE * allowedMs;
}

export class StallWatch {
  readonly #stallMs: number;
  #progressed = false;
  #owes = false;
  #stoodStillMs = 0;
  #startingMs = 0;

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /** Observed duration of the stall. */
  get stoodStillMs(): number {
    return this.#stoodStillMs;
  }

  /** Called for a new thread. */
  reset(): void {
    this.#progressed = false;
    this.#owes = false;
    this.#stoodStillMs = 0;
    this.#startingMs = 0;
  }

  /** A heartbeat was processed. */
  noteProgress(): void {
    this.#progressed = true;
  }

  /** A heartbeat is not processed yet. */
  noteDebt(): void {
    this.#owes = true;
  }

  /** @returns why the thread must be terminated; undefined if it need not */
  look(elapsedMs: number, isReady: boolean): string | undefined {
    const countedMs = Math.min(elapsedMs, MOST_PER_LOOK_MS);
    if (!isReady) {
      this.#startingMs += countedMs;
      return this.#startingMs < READY_WITHIN_MS ? undefined : `it was not ready within ${READY_WITHIN_MS / 1000} s`;
    }
    this.#stoodStillMs = this.#owes && !this.#progressed ? this.#stoodStillMs + countedMs : 0;
    this.#progressed = false;
    this.#owes = false;
    return this.#stoodStillMs < this.#stallMs ? undefined : `it made no progress for ${this.#stallMs / 1000} s`;
  }
}
