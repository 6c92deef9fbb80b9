/**
 * The narrow interface to a database of history. `sqlite/` and `postgres/` implement it in files of the same names, and one
 * suite tests both (`test/history/backend-suite.ts`). Every method may throw {@link HistoryError}, and nothing else.
 */
import type { EventType, WorkerEvent } from '../model/events.ts';
import type { BucketRun, Gap, MetricKey, RollupTier, SampleRun, Tier } from './samples.ts';
import type { TaskOutcome, TaskRun } from './task-run.ts';

// ── writing: one thread of one master ────────────────────────────────────────────────────────────────────────────

/** One run of the master, from its start to its end. */
export interface MasterRun {
  /** The board's boot id, in hex. */
  readonly bootId: string;
  readonly startedMs: number;
}

/** Everything that came since the last batch. Written as a whole or not at all, and once, however often it is tried. */
export interface Batch {
  readonly bootId: string;
  /** From 1 and without gaps within a boot id. */
  readonly number: number;
  /** When it was made: until then the master was up. */
  readonly atMs: number;
  /** Their `run` is 0: the database assigns it. A worker may occur more than once, in the order of its samples. */
  readonly samples: readonly SampleRun[];
  readonly gaps: readonly Gap[];
  /** New ones, and the new state of known ones. */
  readonly taskRuns: readonly TaskRun[];
  readonly events: readonly WorkerEvent[];
  /** Where workers begin whose earlier samples of this run of the master were not known when it was made. No matter to a database. */
  readonly begins?: ReadonlyMap<string, BatchBegin>;
}

export interface BatchBegin {
  /** The number of the first sample that was still there. */
  readonly first: number;
  /** The number of the first one that the worker can have sent since it was last added. */
  readonly numbersFrom: number;
}

export interface Begun {
  /** The number that the database gave to this run; larger than those of all earlier runs. */
  readonly run: number;
  /** The last batch of this boot id that was committed; 0: none. */
  readonly lastBatch: number;
  /** The id of the newest event of this boot id, and of all events; 0: there is none. Another master's may be newer. */
  readonly lastEventId: number;
  readonly newestEventId: number;
  /** By which time data was last deleted, within an hour; before the first time, when earlier runs last wrote; undefined: never. */
  readonly lastExpiryMs: number | undefined;
  /** Runs that have not ended, and those that ended within the last hour, so that repeated reports change nothing. */
  readonly taskRuns: readonly TaskRun[];
}

/** How long each tier is kept, in ms, and how large the database may become. */
export interface Retention {
  readonly rawMs: number;
  readonly minuteMs: number;
  readonly hourMs: number;
  /** Undefined: not bounded by Pulselane. */
  readonly maxBytes: number | undefined;
}

export interface HistoryFigures {
  readonly bytes: number;
  /** Unix ms of the oldest data of each tier; undefined: there is none. */
  readonly oldestMs: Readonly<Partial<Record<Tier, number>>>;
  /** Raw samples deleted before `rawMs` because of `maxBytes`. */
  readonly deletedEarly: number;
  /** Parts that could not be read since the start. */
  readonly damaged: number;
}

export interface HistoryWriter {
  /** Announces this run. Idempotent. Called before the first batch of a boot id, and after each reconnection. */
  begin(run: MasterRun): Promise<Begun>;
  /** Durable when it resolves. A batch whose number is not after the last committed one of its boot id changes nothing. */
  write(batch: Batch): Promise<void>;
  /** Does what `write` does, except the commit. @throws as `write` would, also if the batch's number is known already */
  check(batch: Batch): Promise<void>;
  /**
   * One step of what is due: sealing, rolling up, deleting what is too old or too much, giving disk back. Takes at most some
   * 50 ms, is a transaction of its own, and locks no reader out.
   * @param expiryMs by this time the age of data is measured (see expiry.ts); by default `nowMs`
   * @returns whether more is due now
   */
  maintain(nowMs: number, retention: Retention, expiryMs?: number): Promise<boolean>;
  figures(): Promise<HistoryFigures>;
  close(): Promise<void>;
}

// ── reading: any number of threads ───────────────────────────────────────────────────────────────────────────────

/** Which samples of one run of the master are in the database: those before `next`. */
export interface Durable {
  readonly bootId: string;
  readonly next: number;
}

export interface KnownWorker {
  readonly workerId: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly keys: readonly MetricKey[];
  readonly durable: Durable;
}

/** What a run of the master that goes on needs to know of a worker. */
export interface HeardWorker {
  readonly workerId: string;
  readonly lastMs: number;
  /** The number after its last sample of that run; undefined: it has none. */
  readonly next: number | undefined;
}

export interface RangeRequest {
  readonly workerIds: readonly string[];
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** Undefined: all. */
  readonly keys: readonly MetricKey[] | undefined;
}

/** Checked between parts; if it says true, the call ends early and throws `HistoryError('failed', 'cancelled')`. */
export type IsCancelled = () => boolean;

export interface TaskRunFilter {
  readonly workerIds?: readonly string[];
  readonly taskId?: string;
  readonly outcomes?: readonly TaskOutcome[];
  /** As sent. */
  readonly status?: string;
  /** Runs that overlap this time. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
  /** Only runs after this one, in the order of the answer. */
  readonly after?: { readonly firstSeenMs: number; readonly workerId: string; readonly taskId: string };
}

export interface EventFilter {
  readonly workerId?: string;
  /** Only events of any of these. */
  readonly workerIds?: readonly string[];
  readonly types?: readonly EventType[];
  /** Only ids above. */
  readonly afterId?: number;
  /** Only ids below. */
  readonly beforeId?: number;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly limit: number;
  /** Which ones, if there are more than `limit`. The answer is oldest first in any case. */
  readonly prefer: 'oldest' | 'newest';
}

export interface HistoryReader {
  /** What is there of these workers (undefined: of all), in no order; unknown ones are absent. */
  workers(workerIds: readonly string[] | undefined): Promise<readonly KnownWorker[]>;
  /** Of the workers with samples of this boot id, at most so many, which were heard last; and these others, as far as they are known. */
  heard(bootId: string, most: number, others: readonly string[]): Promise<readonly HeardWorker[]>;
  /**
   * Samples received within the range, as received. `visit` gets each worker's runs together, in the order of receipt, not all in
   * one piece. `durable` is of the same moment as the samples. Gaps found while reading (damaged parts) go to `gap`.
   */
  samples(request: RangeRequest, visit: Visit<SampleRun>, isCancelled: IsCancelled): Promise<void>;
  /**
   * Buckets whose start lies within the range, of everything in the database: what is not rolled up yet is computed from
   * samples. One or more `BucketRun` for each worker, in order, each bucket once.
   */
  buckets(
    request: RangeRequest & { readonly tier: RollupTier },
    visit: Visit<BucketRun>,
    isCancelled: IsCancelled,
  ): Promise<void>;
  /** Recorded gaps that overlap the range, and times in which no master ran (`master_down`, for every worker). */
  gaps(workerIds: readonly string[], fromMs: number, toMs: number): Promise<readonly Gap[]>;
  /** By `firstSeenMs`, newest first; equal ones by worker id, then task id, ascending by the bytes of their UTF-8. */
  taskRuns(filter: TaskRunFilter): Promise<readonly TaskRun[]>;
  events(filter: EventFilter): Promise<readonly WorkerEvent[]>;
  figures(): Promise<HistoryFigures>;
  close(): Promise<void>;
}

export interface Visit<Run> {
  part(run: Run, durable: Durable): void;
  gap(gap: Gap): void;
}
