/** What was before, for windows of alert rules: from history's database and, for the newest, from the rings. */
import type { Past, PastRequest, PastValues } from '../../alerts/past.ts';
import type { HistoryReader } from '../../history/backend.ts';
import type { DatabasePlace } from '../../history/database.ts';
import { openReader } from '../../history/open-reader.ts';
import { Budget } from '../../history/query/budget.ts';
import { reachNow } from '../../history/query/facts.ts';
import { bucketMs, planOf } from '../../history/query/plan.ts';
import { readWorkers, type WorkerSink } from '../../history/query/read-workers.ts';
import { Rings } from '../../history/query/rings.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';

/** For 100 workers; the reading yields to other work of the thread, so that evaluations go on. */
const READ_WITHIN_MS = 30_000;

export interface HistoryPastOptions {
  readonly directory: Directory;
  readonly place: DatabasePlace;
  readonly clock: Clock;
}

export class HistoryPast implements Past {
  readonly #options: HistoryPastOptions;
  readonly #rings: Rings;
  #reader: Promise<HistoryReader> | undefined;

  constructor(options: HistoryPastOptions) {
    this.#options = options;
    this.#rings = new Rings(options.directory);
  }

  async read(request: PastRequest, take: (workerId: string, values: PastValues) => void): Promise<void> {
    const { directory, clock } = this.#options;
    const { workerIds, key, fromMs, toMs } = request;
    const reach = await reachNow(directory, this.#open, clock.wallMs());
    const { tier } = planOf({ fromMs, toMs }, { stepMs: stepOf(request.resolutionMs) }, reach);
    const length = tier === 'raw' ? 0 : bucketMs(tier);
    const sources = { rings: this.#rings, reader: this.#open, budget: new Budget(clock, READ_WITHIN_MS) };
    let parts: PastValues[] = [];
    const sink: WorkerSink = {
      samples: (at, [column], count) => {
        if (column !== undefined) parts.push(samplesOf(at.slice(0, count), column.slice(0, count)));
      },
      buckets: (start, [columns]) => {
        if (columns === undefined) return;
        const { min, max, sum, count, last } = columns;
        parts.push({
          at: start,
          bucketMs: length,
          count,
          min,
          max,
          mean: sum.map((each, n) => each / (count[n] as number)),
          last,
        });
      },
    };
    const degraded = await readWorkers(
      sources,
      { workerIds, keys: [key], range: { fromMs, toMs }, tier },
      {
        begin: () => {
          parts = [];
          return sink;
        },
        end: (workerId) => {
          for (const values of parts) take(workerId, values);
        },
      },
    );
    if (degraded !== undefined) throw new Error(degraded.detail);
  }

  async close(): Promise<void> {
    const reader = await this.#reader?.catch(() => undefined);
    this.#reader = undefined;
    await reader?.close();
  }

  /** Kept open; tried again by the next reading if it fails. */
  readonly #open = (): Promise<HistoryReader> => {
    // What cannot be read is a gap. The thread that maintains the database logs it.
    const opening = this.#reader ?? openReader(this.#options.place, () => {});
    this.#reader = opening;
    opening.catch(() => {
      if (this.#reader === opening) this.#reader = undefined;
    });
    return opening;
  };
}

/** Whole hours or minutes where they suffice, so that rollups are read; else whole seconds. */
function stepOf(resolutionMs: number): number {
  const unitMs = [3_600_000, 60_000, 1000].find((each) => resolutionMs >= each) ?? 1000;
  return Math.max(1, Math.floor(resolutionMs / unitMs)) * unitMs;
}

function samplesOf(at: Float64Array, values: Float64Array): PastValues {
  const count = new Float64Array(at.length).fill(1);
  return { at, bucketMs: 0, count, min: values, max: values, mean: values, last: values };
}
