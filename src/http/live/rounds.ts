/**
 * Serves each client once per round. A poll starts a round, unless the last one is still running: a long round pauses after
 * each slice for as long as the slice took, so that requests are answered in between.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { SERVE_SLICE_MS } from '../http-limits.ts';

export interface RoundsOptions<C> {
  readonly clock: Clock;
  /** The clients in the order of their turns; may change during a round. */
  readonly clients: () => Iterator<C, undefined>;
  readonly serve: (client: C) => void;
}

export class Rounds<C> {
  readonly #options: RoundsOptions<C>;
  /** The clients still to be served; undefined: none. */
  #round: Iterator<C, undefined> | undefined;
  #rest: Timer | undefined;

  constructor(options: RoundsOptions<C>) {
    this.#options = options;
  }

  /** Call it after each poll. */
  looked(): void {
    this.#round ??= this.#options.clients();
    if (this.#rest === undefined) this.#serve();
  }

  /** Serves nobody until the next poll. */
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
