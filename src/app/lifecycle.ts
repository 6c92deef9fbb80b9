/** Named clean-ups, run in reverse order: the same way after a failed start as after a stop. */
import { type Clock, endsWithin } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';

interface CleanUp {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

export class Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cleanUps: CleanUp[] = [];
  #stopping: Promise<void> | undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  onStop(name: string, run: () => void | Promise<void>): void {
    this.#cleanUps.push({ name, run });
  }

  /**
   * Runs every clean-up, even if others fail. All together end within `withinMs`: a clean-up that hangs is abandoned after half
   * of the remaining time.
   */
  stop(withinMs: number): Promise<void> {
    this.#stopping ??= this.#stopAll(this.#clock.monotonicMs() + withinMs);
    return this.#stopping;
  }

  async #stopAll(deadlineMs: number): Promise<void> {
    for (const { name, run } of this.#cleanUps.splice(0).reverse()) {
      const withinMs = Math.max(0, deadlineMs - this.#clock.monotonicMs()) / 2;
      try {
        const inTime = await endsWithin(this.#clock, withinMs, Promise.resolve(run()));
        if (!inTime) this.#logger.error({ cleanUp: name, withinMs }, 'a clean-up did not end in time');
      } catch (error) {
        this.#logger.error({ cleanUp: name, err: messageOf(error) }, 'a clean-up failed');
      }
    }
  }
}
