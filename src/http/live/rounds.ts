/**
 * When each client has its turn: once in a round. A look begins a round, unless the last one still goes on: one that takes
 * long goes on after a rest as long as its slice, so that requests are answered in between.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { SERVE_SLICE_MS } from '../http-limits.ts';

export interface RoundsOptions<C> {
  readonly clock: Clock;
  /** Who takes part, in the order of their turns; may change while a round goes on. */
  readonly clients: () => Iterator<C, undefined>;
  readonly serve: (client: C) => void;
}

export class Rounds<C> {
  readonly #options: RoundsOptions<C>;
  /** Those that are still to be served of the last look; undefined: none. */
  #round: Iterator<C, undefined> | undefined;
  #rest: Timer | undefined;

  constructor(options: RoundsOptions<C>) {
    this.#options = options;
  }

  /** There was a look. */
  looked(): void {
    this.#round ??= this.#options.clients();
    if (this.#rest === undefined) this.#serve();
  }

  /** Nobody is served until the next look. */
  end(): void {
    this.#round = undefined;
    this.#rest?.cancel();
    this.#rest = undefined;
  }

  #serve(): void {
    const { clock, serve } = this.#options;
    const startMs = clock.monotonicMs();
    for (let turn = this.#round?.next(); turn?.done === false; turn = this.#round?.next()) {
      serve(turn.value);
      const tookMs = clock.monotonicMs() - startMs;
      if (tookMs < SERVE_SLICE_MS) continue;
      this.#rest = clock.after(tookMs, () => {
        this.#rest = undefined;
        this.#serve();
      });
      return;
    }
    this.#round = undefined;
  }
}
