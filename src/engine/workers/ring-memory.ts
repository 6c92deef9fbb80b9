/**
 * The memory for all rings of samples, their columns of metrics, and task logs (RING_MEMORY): counts it, and publishes to lanes how much time a
 * ring may hold, and by how much it may grow at once. The decision is in ring-span.ts.
 *
 * A ring may grow by a quarter of what is free, so that many that grow at the same moment do not exceed the budget before main notices.
 * The first ring of a worker is not refused: MAX_WORKERS limits those. Rings of removed workers count while their slots are kept for reuse. Rings shrink with their workers' heartbeats, each to
 * half at most every SHRINK_EVERY_MS (slot-ring.ts), so that nothing unstored is lost. Until then they take more than the budget: at
 * most as much as they took before, and for under two minutes, since eleven halvings lead from the largest ring to the smallest.
 */
import { formatDuration, type MemoryAmount } from '../../config/kinds.ts';
import type { RingMemoryView } from '../../model/ring-memory.ts';
import { type RingSize, ringBytes } from '../../store/layout.ts';
import { type AllowanceMemory, AllowanceWriter } from '../../store/record-allowance.ts';
import { addDemand, type RingOfWorker, spanSteps, stepAfter } from './ring-span.ts';

const QUARTER = 1 / 4;
const MIB = 1024 ** 2;
/** Less would not even hold the samples of a minute of a small fleet. */
const LEAST_BUDGET_BYTES = MIB;

export function ringBudgetBytes(amount: MemoryAmount, memoryBytes: number): number {
  return 'bytes' in amount ? amount.bytes : Math.max(LEAST_BUDGET_BYTES, Math.round(amount.share * memoryBytes));
}

/** Every worker is looked at once in so many sweeps: in 5 s. */
const ROUND_SWEEPS = 20;
/** Minimum interval between publications to readers in other threads. */
const TELL_EVERY_MS = 1000;

export interface RingMemoryOptions {
  readonly budgetBytes: number;
  /** RING_TIME; 0: no rings. */
  readonly wantedSpanMs: number;
  readonly allowance: AllowanceMemory;
  /** The worker's ring; undefined: there is no worker in this row of the board. */
  readonly ringAt: (row: number) => RingOfWorker | undefined;
  /** Called when rings have to shorten, and when they are as long as wanted again. */
  readonly onShort: (areShort: boolean, detail: string) => void;
}

export class RingMemory {
  readonly #options: RingMemoryOptions;
  readonly #writer: AllowanceWriter;
  readonly #steps: readonly number[];
  /** What rings will take at each step, as far as this round has looked at workers. */
  readonly #demand: Float64Array;
  #usedBytes = 0;
  #step = 0;
  #nextRow = 0;
  #publishedMs = Number.NEGATIVE_INFINITY;
  #published = '';

  constructor(options: RingMemoryOptions) {
    this.#options = options;
    this.#writer = new AllowanceWriter(options.allowance);
    this.#steps = spanSteps(options.wantedSpanMs);
    this.#demand = new Float64Array(this.#steps.length);
    this.#allow();
  }

  added(ring: RingSize): void {
    this.#usedBytes += ringBytes(ring);
    this.#allow();
  }

  removed(ring: RingSize): void {
    this.#usedBytes -= ringBytes(ring);
    this.#allow();
  }

  get view(): RingMemoryView {
    const { budgetBytes, wantedSpanMs } = this.#options;
    return { budgetBytes, usedBytes: this.#usedBytes, spanMs: this.#spanMs, wantedSpanMs };
  }

  /** The figures to publish; undefined if they have not changed, or were published a moment ago. */
  takeChanges(nowMs: number): RingMemoryView | undefined {
    if (nowMs - this.#publishedMs < TELL_EVERY_MS) return undefined;
    const figures = `${this.#usedBytes} ${this.#spanMs}`;
    if (figures === this.#published) return undefined;
    this.#published = figures;
    this.#publishedMs = nowMs;
    return this.view;
  }

  /** Called at each sweep. @param rows number of rows of the board that were ever used */
  look(rows: number): void {
    if (this.#options.wantedSpanMs === 0) return;
    const until = Math.min(rows, this.#nextRow + Math.ceil(rows / ROUND_SWEEPS));
    for (let row = this.#nextRow; row < until; row++) {
      const ring = this.#options.ringAt(row);
      if (ring !== undefined) addDemand(this.#demand, this.#steps, ring);
    }
    this.#nextRow = until;
    if (until < rows) return;
    this.#nextRow = 0;
    this.#decide();
    this.#demand.fill(0);
  }

  #decide(): void {
    const { budgetBytes, wantedSpanMs, onShort } = this.#options;
    const before = this.#step;
    this.#step = stepAfter(before, this.#demand, budgetBytes);
    if (this.#step === before) return;
    this.#allow();
    const wanted = `RING_TIME (${formatDuration(wantedSpanMs)})`;
    const budget = `RING_MEMORY (${Math.round(budgetBytes / MIB)} MiB)`;
    if (before === 0)
      onShort(true, `${budget} does not suffice for ${wanted}: all workers’ samples are kept in memory for less`);
    else if (this.#step === 0) onShort(false, `${budget} suffices for ${wanted} again`);
  }

  get #spanMs(): number {
    return this.#steps[this.#step] as number;
  }

  #allow(): void {
    const { budgetBytes } = this.#options;
    this.#writer.allowRings({
      sampleSpanMs: this.#spanMs,
      areRingsShort: this.#step > 0,
      ringRoomBytes: Math.floor(Math.max(0, budgetBytes - this.#usedBytes) * QUARTER),
    });
  }
}
