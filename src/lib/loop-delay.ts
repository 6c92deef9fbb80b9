/**
 * Measures how late a thread's timer of 250 ms fires, which is the delay of everything else on its event loop, too. Such a
 * timer is nearly free; Node's event-loop histogram would wake the thread a hundred times a second.
 */

/** Number of looks kept: 10 s. */
const LOOKS = 40;
export const LOOK_AT_LOOP_EVERY_MS = 250;

export class LoopDelay {
  readonly #delaysMs: number[] = [];
  #next = 0;

  look(lateMs: number): void {
    this.#delaysMs[this.#next] = Math.max(0, lateMs);
    this.#next = (this.#next + 1) % LOOKS;
  }

  get ms(): { readonly mean: number; readonly max: number } {
    const { length } = this.#delaysMs;
    if (length === 0) return { mean: 0, max: 0 };
    return { mean: this.#delaysMs.reduce((sum, ms) => sum + ms, 0) / length, max: Math.max(...this.#delaysMs) };
  }
}
