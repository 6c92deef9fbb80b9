/** Fills a database of history with walks through its writer, as a master would have, but as fast as it takes them. */
import type { HistoryWriter, Retention } from '../../src/history/backend.ts';
import { WALK_INTERVAL_MS, WALK_START_MS, Walk, type WalkKind } from './walks.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const SAMPLES_PER_HOUR = HOUR_MS / WALK_INTERVAL_MS;

/** Long enough that nothing expires meanwhile. */
export const KEEP_ALL: Retention = {
  rawMs: 1e4 * DAY_MS,
  minuteMs: 1e4 * DAY_MS,
  hourMs: 1e4 * DAY_MS,
  maxBytes: undefined,
};
/** The defaults. */
export const KEEP_DEFAULT: Retention = {
  rawMs: DAY_MS,
  minuteMs: 30 * DAY_MS,
  hourMs: 730 * DAY_MS,
  maxBytes: undefined,
};

export interface FillSpec {
  readonly workers: number;
  readonly hours: number;
  readonly kind: WalkKind;
}

/** Hours of a fleet's samples, each sealed and rolled up as soon as it is due. */
export class Filling {
  readonly #writer: HistoryWriter;
  readonly #retention: Retention;
  readonly #walks: readonly Walk[];
  #hours = 0;
  #maintenanceCpuMs = 0;

  constructor(writer: HistoryWriter, workers: number, kind: WalkKind, retention = KEEP_ALL) {
    this.#writer = writer;
    this.#retention = retention;
    this.#walks = Array.from({ length: workers }, (_, worker) => new Walk(worker, kind));
  }

  /** The first moment after what was written. */
  get endMs(): number {
    return WALK_START_MS + this.#hours * HOUR_MS;
  }

  /** CPU time of sealing and rolling up so far. */
  get maintenanceCpuMs(): number {
    return this.#maintenanceCpuMs;
  }

  /** @param workers only the first ones send */
  async write(hours: number, workers = this.#walks.length): Promise<void> {
    const bootId = 'fill';
    if (this.#hours === 0) await this.#writer.begin({ bootId, startedMs: WALK_START_MS });
    const walks = this.#walks.slice(0, workers);
    for (let hour = 0; hour < hours; hour++) {
      const samples = walks.map((walk) => ({ ...walk.next(SAMPLES_PER_HOUR), run: 0 }));
      this.#hours++;
      const batch = { bootId, number: this.#hours, atMs: this.endMs, samples, gaps: [], taskRuns: [], events: [] };
      await this.#writer.write(batch);
      await this.#maintain(this.endMs);
    }
  }

  /** As it is some hours after the day has ended: all is sealed and rolled up. */
  async finishDay(): Promise<void> {
    const dayMs = Math.ceil(this.endMs / DAY_MS) * DAY_MS;
    await this.#maintain(dayMs + 2 * HOUR_MS);
  }

  /** Until nothing is due. */
  async #maintain(nowMs: number): Promise<void> {
    const before = process.cpuUsage();
    while (await this.#writer.maintain(nowMs, this.#retention));
    const { user, system } = process.cpuUsage(before);
    this.#maintenanceCpuMs += (user + system) / 1000;
  }
}
