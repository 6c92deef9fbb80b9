/** Hundreds of simulated workers in a process of their own, over real sockets: see `sim/process.ts`. */
import { Child } from '../../bench/lib/child.ts';
import { eventually } from './eventually.ts';
import { type Cohort, idsOf } from './sim/cohort.ts';
import type { SimCalls, SimFleetState } from './sim/process.ts';
import type { Mishap, SimCounts } from './sim/sim-worker.ts';

export class SimFleet {
  readonly ids: readonly string[];
  readonly #child: Child<SimCalls>;

  private constructor(child: Child<SimCalls>, ids: readonly string[]) {
    this.#child = child;
    this.ids = ids;
  }

  /** They send from here on, evenly spread over their interval. */
  static async start(cohorts: readonly Cohort[]): Promise<SimFleet> {
    const child = new Child<SimCalls>(new URL('sim/process.ts', import.meta.url).href);
    try {
      await child.call('start', cohorts);
    } catch (error) {
      await child.stop();
      throw error;
    }
    return new SimFleet(child, cohorts.flatMap(idsOf));
  }

  /** Sends nothing more; sockets stay open, as those of a process that hangs. */
  silence(ids: readonly string[]): Promise<void> {
    return this.#child.call('silence', ids, true);
  }

  resume(ids: readonly string[]): Promise<void> {
    return this.#child.call('silence', ids, false);
  }

  /** Each says farewell in a last heartbeat. */
  leave(ids: readonly string[]): Promise<void> {
    return this.#child.call('leave', ids);
  }

  /** Their sockets are torn off, and those of all who share them. */
  die(ids: readonly string[]): Promise<void> {
    return this.#child.call('die', ids);
  }

  /** What befalls each fifth heartbeat, in turn; none: all is well again. */
  mishaps(ids: readonly string[], mishaps: readonly Mishap[]): Promise<void> {
    return this.#child.call('mishaps', ids, mishaps);
  }

  setClockOffset(ids: readonly string[], offsetMs: number): Promise<void> {
    return this.#child.call('setClockOffset', ids, offsetMs);
  }

  /** In the order of the ids. */
  counts(ids: readonly string[] = this.ids): Promise<SimCounts[]> {
    return this.#child.call('counts', ids);
  }

  /** When each last sent, by CLOCK_REALTIME in ms; in the order of the ids. */
  lastSentUnixMs(ids: readonly string[]): Promise<number[]> {
    return this.#child.call('lastSentUnixMs', ids);
  }

  state(): Promise<SimFleetState> {
    return this.#child.call('state');
  }

  /** Resolves when each of them has sent so many heartbeats more. */
  async hasSent(more: number, ids: readonly string[] = this.ids, withinMs = 60_000): Promise<void> {
    const before = await this.counts(ids);
    await eventually(async () => {
      const now = await this.counts(ids);
      return now.every(({ sent }, i) => sent - (before[i] as SimCounts).sent >= more);
    }, withinMs);
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
