/**
 * Fills windows from history, in the background: when the thread starts, and when a rule with a new window is loaded. Evaluations go on
 * meanwhile; a window that is not full enough has no value. What history cannot give is left to live values.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { customMetricKey } from '../../model/metric-keys.ts';
import type { WindowCall } from '../expression/checked.ts';
import { NAMES } from '../expression/names.ts';
import type { Past, PastValues } from '../past.ts';
import { FILL_RETRY_MS, MAX_FILL_TRIES, WINDOW_PARTS, WORKERS_PER_FILL } from './evaluation-limits.ts';
import type { FactTable } from './fact-table.ts';
import type { WindowSet } from './window-set.ts';

export interface WindowFillerOptions {
  readonly past: Past;
  readonly clock: Clock;
  readonly workers: FactTable;
  readonly windows: WindowSet;
  readonly log: ((message: string) => void) | undefined;
}

/** What history has of a metric of an expression; undefined: nothing. */
export function pastKeyOf(metric: string): string | undefined {
  switch (metric) {
    case 'tasks':
      return 'running_tasks';
    case 'score':
      return 'anomaly_score';
    case 'missed':
    case 'dropped':
    case 'restarts':
      return undefined;
    default:
      return Object.hasOwn(NAMES.worker, metric) ? metric : customMetricKey(metric);
  }
}

export class WindowFiller {
  readonly #options: WindowFillerOptions;
  /** Aborts what is under way. */
  #generation = 0;
  #running: Promise<void> = Promise.resolve();
  #waiting: { timer: Timer; end: () => void } | undefined;

  constructor(options: WindowFillerOptions) {
    this.#options = options;
  }

  /** All workers that are known now. */
  fill(calls: readonly WindowCall[]): void {
    const generation = this.#generation;
    this.#running = this.#running.then(() => this.#fillAll(calls, generation));
  }

  /** Resolves when everything that was asked for so far is filled, or given up. */
  get ended(): Promise<void> {
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#generation++;
    this.#waiting?.timer.cancel();
    this.#waiting?.end();
    await this.#running;
  }

  async #fillAll(calls: readonly WindowCall[], generation: number): Promise<void> {
    let tries = 0;
    for (const call of calls) {
      const key = pastKeyOf(call.metric);
      if (key === undefined) continue;
      const workerIds = this.#workerIds();
      for (let from = 0; from < workerIds.length; ) {
        if (this.#generation !== generation) return;
        try {
          await this.#fillPart(call, key, workerIds.slice(from, from + WORKERS_PER_FILL));
          from += WORKERS_PER_FILL;
        } catch (error) {
          if (tries++ === 0) this.#tell(error);
          if (tries >= MAX_FILL_TRIES) return;
          await this.#wait();
        }
      }
    }
  }

  async #fillPart(call: WindowCall, key: string, workerIds: readonly string[]): Promise<void> {
    const { past, clock, workers, windows } = this.#options;
    const nowMs = clock.monotonicMs();
    const toMs = clock.wallMs();
    // Values of history have times of the wall clock, windows those of the monotonic one.
    const offsetMs = nowMs - toMs;
    const found = new Map<string, PastValues[]>();
    const request = { workerIds, key, fromMs: toMs - call.windowMs, toMs, resolutionMs: call.windowMs / WINDOW_PARTS };
    await past.read(request, (workerId, values) => found.set(workerId, [...(found.get(workerId) ?? []), values]));
    const window = windows.get(call);
    for (const [workerId, values] of found) {
      const row = workers.rowOf(workerId);
      if (row !== undefined) window?.fill(row, inOrder(values, offsetMs), nowMs);
    }
  }

  #workerIds(): readonly string[] {
    const { workers } = this.#options;
    const ids: string[] = [];
    for (let row = 0; row < workers.rows; row++) {
      const name = workers.nameOf(row);
      if (name !== undefined) ids.push(name);
    }
    return ids;
  }

  #tell(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.log?.(`windows of alert rules cannot be filled from history at present: ${reason}`);
  }

  #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { timer: this.#options.clock.after(FILL_RETRY_MS, resolve), end: resolve };
    return promise;
  }
}

/** One value after another, with times of the monotonic clock. A bucket stands in its middle, so that lines through them are right. */
function* inOrder(parts: readonly PastValues[], offsetMs: number) {
  for (const { at, bucketMs, count, min, max, mean, last } of parts) {
    for (let n = 0; n < at.length; n++) {
      yield {
        atMs: (at[n] as number) + bucketMs / 2 + offsetMs,
        count: count[n] as number,
        min: min[n] as number,
        max: max[n] as number,
        mean: mean[n] as number,
        last: last[n] as number,
      };
    }
  }
}
