/**
 * Makes batches of what came since the last one: samples out of the rings, events out of the event log, gaps. What is in a batch
 * is not in a later one, so its owner keeps each until it is durable.
 */
import type { EventLog } from '../model/events.ts';
import type { TakeSamples } from '../reading/sample-drain.ts';
import type { Batch } from './backend.ts';
import { MAX_BATCH_EVENTS, MAX_BATCH_SAMPLES } from './history-limits.ts';
import { sampleRunOf, withoutFirst } from './ring-samples.ts';
import type { Gap, SampleRun } from './samples.ts';

/** The rings of all workers: {@link SampleDrain}. */
export interface SampleSource {
  drain(take: TakeSamples): void;
  /** Workers whose last samples came too late: how many samples, is unknown. */
  readonly closedTooLate: number;
}

export interface BatchBuilderOptions {
  readonly bootId: string;
  readonly source: SampleSource;
  readonly events: EventLog;
}

export interface Built {
  readonly batch: Batch;
  /** Whether everything that was there is in it. */
  readonly isComplete: boolean;
}

/** Ends a drain when the batch is full; the drain delivers the same samples again. */
const FULL = Symbol('the batch is full');

export class BatchBuilder {
  readonly #options: BatchBuilderOptions;
  #nextBatch = 1;
  #lastEventId = 0;
  #lostEvents = 0;
  #lostSamples = 0;
  /** Samples that the database has from an earlier thread of this master, by worker: the number after the last. */
  #durable: ReadonlyMap<string, number> = new Map();
  /** When the last sample of each worker came, for the begin of a gap. */
  readonly #lastAt = new Map<string, number>();
  #gaps: Gap[] = [];

  constructor(options: BatchBuilderOptions) {
    this.#options = options;
  }

  get lostSamples(): number {
    return this.#lostSamples;
  }

  get lostEvents(): number {
    return this.#lostEvents;
  }

  /** The number of the last batch. */
  get lastBatch(): number {
    return this.#nextBatch - 1;
  }

  get closedTooLate(): number {
    return this.#options.source.closedTooLate;
  }

  /** What is durable already; may be called again. */
  resume(lastBatch: number, lastEventId: number, durable: ReadonlyMap<string, number>): void {
    this.#nextBatch = Math.max(this.#nextBatch, lastBatch + 1);
    this.#lastEventId = Math.max(this.#lastEventId, lastEventId);
    this.#durable = durable;
  }

  addGap(gap: Gap): void {
    this.#gaps.push(gap);
  }

  /** @returns a batch that may be empty */
  build(atMs: number): Built {
    const { bootId, source } = this.#options;
    const samples: SampleRun[] = [];
    let count = 0;
    let isComplete = true;
    try {
      source.drain((workerId, columns, numbersFrom) => {
        if (count > 0 && count + columns.count > MAX_BATCH_SAMPLES) throw FULL;
        const run = this.#notDurable(sampleRunOf(workerId, columns, numbersFrom));
        if (columns.lost > 0) this.#lost(workerId, columns.lost, run.at[0] ?? atMs);
        if (run.at.length === 0) return;
        count += run.at.length;
        samples.push(run);
        this.#lastAt.set(workerId, run.at.at(-1) as number);
      });
    } catch (error) {
      if (error !== FULL) throw error;
      isComplete = false;
    }
    const events = this.#takeEvents();
    const gaps = this.#gaps;
    this.#gaps = [];
    return {
      batch: { bootId, number: this.#nextBatch++, atMs, samples, gaps, taskRuns: [], events },
      isComplete: isComplete && events.length < MAX_BATCH_EVENTS,
    };
  }

  /** An empty batch that is not written: the next one has its number. */
  unused({ number }: Batch): void {
    this.#nextBatch = number;
  }

  #notDurable(run: SampleRun): SampleRun {
    const next = this.#durable.get(run.workerId);
    if (next === undefined || run.first >= next) return run;
    return withoutFirst(run, Math.min(run.at.length, next - run.first));
  }

  #lost(workerId: string, lost: number, untilMs: number): void {
    this.#lostSamples += lost;
    const fromMs = Math.min(this.#lastAt.get(workerId) ?? untilMs, untilMs);
    this.#gaps.push({ workerId, fromMs, toMs: untilMs, reason: 'samples_lost', lost });
  }

  #takeEvents(): Batch['events'] {
    const unknown = this.#options.events.all().filter(({ id }) => id > this.#lastEventId);
    const [first] = unknown;
    // The ids of one run of the master have no holes.
    if (first !== undefined && this.#lastEventId > 0) this.#lostEvents += 0;
    const events = unknown.slice(0, MAX_BATCH_EVENTS);
    this.#lastEventId = events.at(-1)?.id ?? this.#lastEventId;
    return events;
  }
}
