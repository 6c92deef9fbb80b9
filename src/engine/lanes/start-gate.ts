/**
 * Whether threads can be started at all. One that ends before it is ready was given nothing to do: whatever the reason is
 * (no memory, no process number, no working directory, a processor whose file is gone), no worker has a part in it. It is
 * the master's own fault, told as such, and likely to hit the next start in the same way: while starts fail, one is tried
 * at a time, less and less often.
 */
import { backOffMs } from '../../lib/supervised-thread.ts';

export interface FailedStart {
  /** For people. */
  readonly reason: string;
  /** Its thread did not end, and is left behind. */
  readonly isAbandoned: boolean;
}

export class StartGate {
  readonly #abandonedWaitMs: number;
  #failuresInARow = 0;
  #closedUntilMs = Number.NEGATIVE_INFINITY;

  /** @param abandonedWaitMs after a thread that had to be left behind: each such try may cost another one */
  constructor(abandonedWaitMs: number) {
    this.#abandonedWaitMs = abandonedWaitMs;
  }

  /** The last start failed. */
  get isFailing(): boolean {
    return this.#failuresInARow > 0;
  }

  /** How long to wait before the next start. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#closedUntilMs - nowMs);
  }

  /** @returns whether the one before had not failed */
  failed({ isAbandoned }: FailedStart, nowMs: number): boolean {
    this.#failuresInARow++;
    const waitMs = isAbandoned ? this.#abandonedWaitMs : backOffMs(this.#failuresInARow);
    this.#closedUntilMs = Math.max(this.#closedUntilMs, nowMs + waitMs);
    return this.#failuresInARow === 1;
  }

  /** @returns whether the one before had failed */
  succeeded(): boolean {
    const wasFailing = this.isFailing;
    this.#failuresInARow = 0;
    this.#closedUntilMs = Number.NEGATIVE_INFINITY;
    return wasFailing;
  }
}
