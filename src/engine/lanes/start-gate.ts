/**
 * Whether threads can be started at all. A thread that ends before it is ready had no heartbeat to process, so whatever
 * the reason (no memory, no process id, no working directory, a deleted processor file), no worker caused it. It is
 * reported as a fault of the master, and will probably affect the next start, too: while starts fail, one is tried at a
 * time, with increasing delays.
 */
import { backOffMs } from '../../lib/supervised-thread.ts';

export interface FailedStart {
  /** Readable text. */
  readonly reason: string;
  /** The thread did not end and was abandoned. */
  readonly isAbandoned: boolean;
}

export class StartGate {
  readonly #abandonedWaitMs: number;
  #failuresInARow = 0;
  #closedUntilMs = Number.NEGATIVE_INFINITY;

  /** @param abandonedWaitMs delay after an abandoned thread, since each further try may cost another thread */
  constructor(abandonedWaitMs: number) {
    this.#abandonedWaitMs = abandonedWaitMs;
  }

  /** Whether the last start failed. */
  get isFailing(): boolean {
    return this.#failuresInARow > 0;
  }

  /** Delay before the next start. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#closedUntilMs - nowMs);
  }

  /** @returns whether the previous start had not failed */
  failed({ isAbandoned }: FailedStart, nowMs: number): boolean {
    this.#failuresInARow++;
    const waitMs = isAbandoned ? this.#abandonedWaitMs : backOffMs(this.#failuresInARow);
    this.#closedUntilMs = Math.max(this.#closedUntilMs, nowMs + waitMs);
    return this.#failuresInARow === 1;
  }

  /** @returns whether the previous start had failed */
  succeeded(): boolean {
    const wasFailing = this.isFailing;
    this.#failuresInARow = 0;
    this.#closedUntilMs = Number.NEGATIVE_INFINITY;
    return wasFailing;
  }
}
