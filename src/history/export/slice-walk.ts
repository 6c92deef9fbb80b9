/**
 * Divides an export into slices that fit into memory: a length of time of some workers. Time is walked oldest first, so that
 * what is about to expire is read first. How many workers are in a slice follows from how many rows the last one had; a slice
 * that turns out too large is halved. A slice has only workers that may have something in it; without any, it is left out.
 */
import type { MetricKey, Tier } from '../samples.ts';
import type { ExportWorker, Slice, TierPart } from './export-request.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * The length of a slice. Raw: what a sealed part of SQLite holds, so that none is decoded twice. The others: 1,440 buckets, as
 * much as two hours of raw samples at 5 s.
 */
const SLICE_MS: Readonly<Record<Tier, number>> = { raw: HOUR_MS, '1m': DAY_MS, '1h': 60 * DAY_MS };
/** A slice is not divided further: a second of one worker, or one bucket. */
const LEAST_MS: Readonly<Record<Tier, number>> = { raw: 1000, '1m': 60_000, '1h': HOUR_MS };
/** A list of ids in one question to a database; also bounds what a slice of a sparse fleet costs. */
const MAX_WORKERS = 256;

export interface SliceWalkOptions {
  readonly parts: readonly TierPart[];
  /** In the order of ids. */
  readonly workers: readonly ExportWorker[];
  readonly keys: readonly MetricKey[] | undefined;
  /** How many rows a slice should have. */
  readonly rowsWanted: number;
}

export class SliceWalk {
  readonly #options: SliceWalkOptions;
  /** Slices of the current step that were divided, in order. */
  #divided: Slice[] = [];
  #part = 0;
  /** Of the current step. */
  #fromMs: number;
  #toMs: number;
  #workerIds: readonly string[] = [];
  #worker = 0;
  #workersAtOnce = 1;

  constructor(options: SliceWalkOptions) {
    this.#options = options;
    this.#fromMs = options.parts[0]?.fromMs ?? 0;
    this.#toMs = this.#fromMs;
  }

  /** The next slice; undefined: that was all. */
  next(): Slice | undefined {
    const divided = this.#divided.shift();
    if (divided !== undefined) return divided;
    if (this.#worker >= this.#workerIds.length && !this.#nextStep()) return undefined;
    const { parts, keys } = this.#options;
    const { tier } = parts[this.#part] as TierPart;
    const workerIds = this.#workerIds.slice(this.#worker, this.#worker + this.#workersAtOnce);
    this.#worker += workerIds.length;
    return { tier, fromMs: this.#fromMs, toMs: this.#toMs, workerIds, keys };
  }

  /** The last slice had so many rows. */
  had(rows: number): void {
    const { rowsWanted } = this.#options;
    if (rows < rowsWanted / 4) this.#workersAtOnce = Math.min(MAX_WORKERS, this.#workersAtOnce * 2);
    else if (rows > rowsWanted) this.#workersAtOnce = Math.max(1, this.#workersAtOnce >> 1);
  }

  /** The last slice was too large: its halves come next. */
  divide(slice: Slice): void {
    const { workerIds, fromMs, toMs } = slice;
    this.#workersAtOnce = Math.max(1, this.#workersAtOnce >> 1);
    if (toMs - fromMs > LEAST_MS[slice.tier]) {
      const middleMs = middleOf(slice);
      this.#divided.unshift({ ...slice, toMs: middleMs }, { ...slice, fromMs: middleMs });
      return;
    }
    const half = workerIds.length >> 1;
    this.#divided.unshift(
      { ...slice, workerIds: workerIds.slice(0, half) },
      { ...slice, workerIds: workerIds.slice(half) },
    );
  }

  /** The next length of time in which workers have something. @returns false: there is none */
  #nextStep(): boolean {
    const { parts, workers } = this.#options;
    this.#worker = 0;
    this.#fromMs = this.#toMs;
    for (let part = parts[this.#part]; part !== undefined; ) {
      const firstMs = workers.reduce(
        (least, { fromMs, toMs }) => (toMs > this.#fromMs ? Math.min(least, fromMs) : least),
        Number.POSITIVE_INFINITY,
      );
      const fromMs = Math.max(this.#fromMs, part.fromMs, firstMs);
      if (fromMs >= part.toMs) {
        this.#part += 1;
        part = parts[this.#part];
        continue;
      }
      const toMs = Math.min(part.toMs, (Math.floor(fromMs / SLICE_MS[part.tier]) + 1) * SLICE_MS[part.tier]);
      this.#fromMs = fromMs;
      this.#toMs = toMs;
      this.#workerIds = workers
        .filter((worker) => worker.fromMs < toMs && worker.toMs > fromMs)
        .map(({ workerId }) => workerId);
      if (this.#workerIds.length > 0) return true;
      this.#fromMs = toMs;
    }
    return false;
  }
}

/** Whether a slice can be divided. */
export function isDivisible({ tier, fromMs, toMs, workerIds }: Slice): boolean {
  return toMs - fromMs > LEAST_MS[tier] || workerIds.length > 1;
}

/** At the start of a bucket. */
function middleOf({ tier, fromMs, toMs }: Slice): number {
  const stepMs = LEAST_MS[tier];
  const middleMs = Math.floor((fromMs + toMs) / 2 / stepMs) * stepMs;
  return middleMs > fromMs ? middleMs : (Math.floor(fromMs / stepMs) + 1) * stepMs;
}
