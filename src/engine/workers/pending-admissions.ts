/** Tells of unknown workers that ask to be let in, and does not let them fill the log of events. */
import type { NewEvent } from '../../model/events.ts';

/** Told within {@link WINDOW_MS}: at that rate the log of 10,000 events still holds some 100 minutes. */
export const MAX_PUBLISHED = 100;
const WINDOW_MS = 60_000;

export class PendingAdmissions {
  readonly #publish: (event: NewEvent) => void;
  #windowMs = Number.NEGATIVE_INFINITY;
  #published = 0;

  constructor(publish: (event: NewEvent) => void) {
    this.#publish = publish;
  }

  /** A worker asks that did not wait before. What is not told for its number is still in the list of those who wait. */
  requested(workerId: string, nowMs: number): void {
    if (nowMs - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#published = 0;
    }
    if (this.#published >= MAX_PUBLISHED) return;
    this.#published++;
    this.#publish({ type: 'pending', workerId });
  }
}
