/**
 * Divides an export into slices that fit into memory: a length of time of some workers. Time is walked oldest first, so that
 * what is about to expire is read first. How many workers are in a slice follows from how many rows the last one had; a slice
 * that turns out too large is halved.
 */
import type { MetricKey, Tier } from '../samples.ts';
import type { Slice, TierPart } from './export-request.ts';

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
  readonly workerIds: readonly string[];
  readonly keys: readonly MetricKey[] | undefined;
  /** How many rows a slice should have. */
  readonly rowsWanted: number;
}

export class SliceWalk {
  readonly #options: SliceWalkOptions;
  /** Slices of the current step that were divided, in order. */
  #divided: Slice[] = [];
  #part = 0;
  #fromMs: number;
  #worker = 0;
  #workersAtOnce = 1;

  constructor(options: SliceWalkOptions) {
    this.#options = options;
    this.#fromMs = options.parts[0]?.fromMs ?? 0;
  }

  /** The next slice; undefined: that was all. */
  next(): Slice | undefined {
    const divided = this.#divided.shift();
    if (divided !== undefined) return divided;
    const { parts, workerIds, keys } = this.#options;
    const part = parts[this.#part];
    if (part === undefined || workerIds.length === 0) return undefined;
    const { tier } = part;
    const toMs = Math.min(part.toMs, (Math.floor(this.#fromMs / SLICE_MS[tier]) + 1) * SLICE_MS[tier]);
    const ids = workerIds.slice(this.#worker, this.#worker + this.#workersAtOnce);
    const slice = { tier, fromMs: this.#fromMs, toMs, workerIds: ids, keys };
    this.#worker += ids.length;
    if (this.#worker >= workerIds.length) this.#nextTime(part, toMs);
    return slice;
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

  #nextTime(part: TierPart, toMs: number): void {
    this.#worker = 0;
    this.#fromMs = toMs;
    if (toMs < part.toMs) return;
    this.#part += 1;
    this.#fromMs = this.#options.parts[this.#part]?.fromMs ?? 0;
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
