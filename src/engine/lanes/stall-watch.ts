/**
 * Whether a thread stands still: it has been given something, and is seen to do nothing for too long. Counted in looks
 * rather than by the clock, each for no more than {@link MOST_PER_LOOK_MS}, so that a main thread, or a whole process,
 * that stood still itself does not take its own absence for the thread's.
 */

/** Two sweeps. */
const MOST_PER_LOOK_MS = 500;
/** Imports of a processor, on a machine that is starting a thousand threads; one that waits for ever is ended. */
const READY_WITHIN_MS = 30_000;

/** A thread that used less of a processor than this share while it stood still waits for something. */
const WAITS_BELOW = 0.01;
/** One that has worked for this share of the allowed time, however long that took, would have got somewhere. */
const WORKED_SHARE = 0.25;

/**
 * Whether a thread that makes no progress is stuck; if not, it only gets no processor: on a machine that is overloaded, a
 * lane must not be ended, and its worker charged, for that.
 */
export function isStuck({
  stoodStillMs,
  allowedMs,
  cpuMs,
}: {
  readonly stoodStillMs: number;
  readonly allowedMs: number;
  /** Processor time that it used meanwhile; undefined if it does not even tell, as in a system call. */
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

  /** How long it has stood still as far as is known. */
  get stoodStillMs(): number {
    return this.#stoodStillMs;
  }

  /** A new thread. */
  reset(): void {
    this.#progressed = false;
    this.#owes = false;
    this.#stoodStillMs = 0;
    this.#startingMs = 0;
  }

  /** Something that it was given is done. */
  noteProgress(): void {
    this.#progressed = true;
  }

  /** Something that it was given is not done. */
  noteDebt(): void {
    this.#owes = true;
  }

  /** @returns why the thread should be ended; undefined if it should not. */
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
