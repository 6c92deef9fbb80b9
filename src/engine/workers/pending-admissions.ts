/** Reports unknown workers that ask for admission, at a limited rate that cannot fill the event log. */
import type { NewEvent } from '../../model/events.ts';

/** Maximum number of reports within {@link WINDOW_MS}: the log of 10,000 events then holds about 100 minutes. */
export const MAX_PUBLISHED = 100;
const WINDOW_MS = 60_000;

export class PendingAdmissions {
  readonly #publish: (event: NewEvent) => void;
  #windowMs = Number.NEGATIVE_INFINITY;
  #published = 0;

  constructor(publish: (event: NewEvent) => void) {
    this.#publish = publish;
  }

  /** A worker that was not pending before asks for admission. Unreported ones are still in the pending list. */
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
