/**
 * How late main's own timer comes, which is what everything else that waits for main waits, too. A timer that is there
 * anyway tells it at no cost; Node's histogram would wake main a hundred times a second.
 */

/** Looks that are kept: 10 s of them. */
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
