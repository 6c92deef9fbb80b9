/**
 * Measures how late main's sweep timer fires, which is the delay of everything else on main, too. The timer exists
 * anyway, so measuring is free; Node's event-loop histogram would wake main a hundred times a second.
 */

/** Number of sweeps kept: 10 s. */
const LOOKS = 40;

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
