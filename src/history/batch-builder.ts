/**
 * Makes batches of what came since the last one: samples out of the rings, events out of the event log, gaps. One batch at a time: it
 * is kept by its owner until it is durable ({@link BatchBuilder.durable}), and only then the next one is made.
 */
import type { EventLog, WorkerEvent } from '../model/events.ts';
import type { LossReason } from '../model/history-status.ts';
import type { SampleDrain } from '../reading/sample-drain.ts';
import type { Batch, BatchBegin } from './backend.ts';
import { MAX_BATCH_EVENTS, MAX_BATCH_SAMPLES, MAX_BATCH_TASK_RUNS } from './history-limits.ts';
import { sampleRunOf } from './ring-samples.ts';
import type { Gap, SampleRun } from './samples.ts';
import type { TaskRun } from './task-run.ts';
import { TaskRuns } from './task-runs.ts';

/** The rings of all workers. */
export type SampleSource = Pick<
  SampleDrain,
  'drain' | 'commit' | 'resume' | 'waiting' | 'closedBytes' | 'closedTooLate' | 'lostTaskChanges'
>;

export interface BatchBuilderOptions {
  readonly bootId: string;
  readonly source: SampleSource;
  readonly events: EventLog;
  /** Whether the master knows the worker at present. */
  readonly isKnown: (workerId: string) => boolean;
}

/** What the database knows of a worker. */
export interface EarlierSamples {
  /** The number after its last sample of this run of the master; undefined: it has none. */
  readonly next: number | undefined;
  /** When its last sample came. */
  readonly lastMs: number;
}

export interface Built {
  readonly batch: Batch;
  /** Whether everything that was there is in it. */
  readonly isComplete: boolean;
}

export class BatchBuilder {
  readonly #options: BatchBuilderOptions;
  #nextBatch = 1;
  /** How many events of the log are in batches, or were skipped. */
  #takenEvents = 0;
  /** Events up to this one were written by an earlier thread. */
  #lastEventId = 0;
  #lostEvents = 0;
  #lostTaskRuns = 0;
  readonly #lost: Record<LossReason, number> = { overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 };
  /** For the next batch. */
  #gaps: Gap[] = [];
  #hasBuilt = false;
  /** It is known what an earlier thread has written. */
  #isResumed = false;
  #tasks: TaskRuns | undefined;
  /** Batches were built before the database said which tasks ran. */
  #isTaskStateUnsure = false;
  /** For the next batch: runs of tasks that ended while no master ran. */
  #endedTasks: readonly TaskRun[] = [];

  constructor(options: BatchBuilderOptions) {
    this.#options = options;
  }

  /** Samples that are missing, by reason. */
  get lost(): Readonly<Record<LossReason, number>> {
    return { ...this.#lost };
  }

  get lostEvents(): number {
    return this.#lostEvents;
  }

  get closedTooLate(): number {
    return this.#options.source.closedTooLate;
  }

  /** The number of the last batch. */
  get lastBatch(): number {
    return this.#nextBatch - 1;
  }

  /** Events that are not in a batch yet. */
  get waitingEvents(): number {
    return this.#options.events.added - this.#takenEvents;
  }

  /** Numbers and events that an earlier thread of this master has used; may be called again. */
  skip({ lastBatch = 0, lastEventId = 0 }: { readonly lastBatch?: number; readonly lastEventId?: number }): void {
    this.#nextBatch = Math.max(this.#nextBatch, lastBatch + 1);
    this.#lastEventId = Math.max(this.#lastEventId, lastEventId);
  }

  /** Changes of tasks that are missing, and tasks beyond what is recorded. */
  get lostTaskChanges(): number {
    return this.#options.source.lostTaskChanges + (this.#tasks?.leftOut ?? 0) + this.#lostTaskRuns;
  }

  /** Goes on where an earlier thread of this master was. Once a batch was built, it is too late. */
  resume(earlier: ReadonlyMap<string, EarlierSamples>): void {
    if (this.#hasBuilt) return;
    const { source, bootId } = this.#options;
    const own = Array.from(earlier).flatMap(([workerId, { next }]) => (next === undefined ? [] : [{ workerId, next }]));
    this.#isResumed = true;
    source.resume(new Map(own.map(({ workerId, next }) => [workerId, { bootId, next }])));
  }

  /**
   * The runs of tasks that the database has from before. Those of workers that are gone have ended. If batches were built before the
   * database was there, those that were running then have, as far as it is known: their tasks are new runs.
   * @param startedMs of this run of the master
   */
  resumeTasks(runs: readonly TaskRun[], earlier: ReadonlyMap<string, EarlierSamples>, startedMs: number): void {
    const heardMs = (workerId: string) => earlier.get(workerId)?.lastMs;
    if (this.#hasBuilt) {
      if (!this.#isTaskStateUnsure) return;
      this.#isTaskStateUnsure = false;
      this.#endedTasks = runs
        .filter(({ outcome, firstSeenMs }) => outcome === 'running' && firstSeenMs < startedMs)
        .map((run) => ({ ...run, outcome: 'ended', lastSeenMs: heardMs(run.workerId) ?? run.firstSeenMs }));
      return;
    }
    const tasks = new TaskRuns({ runs, heardMs });
    this.#tasks = tasks;
    this.#endedTasks = tasks
      .workersWithTasks()
      .filter((workerId) => !this.#options.isKnown(workerId))
      .flatMap((workerId) =>
        tasks.apply(workerId, [{ type: 'gone', sample: 0, atMs: heardMs(workerId) ?? startedMs }]),
      );
  }

  addGap(gap: Gap): void {
    this.#gaps.push(gap);
  }

  countLost(reason: LossReason, samples: number, events = 0, taskRuns = 0): void {
    this.#lost[reason] += samples;
    this.#lostEvents += events;
    this.#lostTaskRuns += taskRuns;
  }

  /**
   * @param fullerThan only from rings and task logs of which at least this part waits, and of workers that left; 0: from all
   * @param reason why samples are missing that the rings no longer hold
   * @returns a batch that may be empty
   */
  build(
    atMs: number,
    { fullerThan = 0, reason = 'overwritten' }: { fullerThan?: number; reason?: LossReason } = {},
  ): Built {
    if (!this.#hasBuilt) this.#isTaskStateUnsure = this.#tasks === undefined;
    this.#hasBuilt = true;
    const { bootId, source } = this.#options;
    this.#tasks ??= new TaskRuns({ runs: [] });
    const tasks = this.#tasks;
    const taskRuns: TaskRun[] = [...this.#endedTasks];
    this.#endedTasks = [];
    const samples: SampleRun[] = [];
    const begins = new Map<string, BatchBegin>();
    let count = 0;
    const isDrained = source.drain(
      (workerId, columns, numbersFrom, previousUnixMs, { changes }) => {
        if (count > 0 && count + columns.count > MAX_BATCH_SAMPLES) return false;
        if (taskRuns.length > 0 && taskRuns.length + changes.length > MAX_BATCH_TASK_RUNS) return false;
        const run = sampleRunOf(workerId, columns, numbersFrom);
        if (!this.#isResumed && previousUnixMs === undefined) {
          // What is missing before is known only when this is written.
          const first = numbersFrom + columns.to - columns.count;
          if (!begins.has(workerId)) begins.set(workerId, { first, numbersFrom });
        } else if (columns.lost > 0) {
          this.#lost[reason] += columns.lost;
          const toMs = run.at[0] ?? atMs;
          const fromMs = Math.min(previousUnixMs ?? toMs, toMs);
          this.#gaps.push({ workerId, fromMs, toMs, reason: 'samples_lost', lost: columns.lost });
        }
        if (run.at.length > 0) samples.push(run);
        count += run.at.length;
        for (const taskRun of tasks.apply(workerId, changes)) taskRuns.push(taskRun);
        return true;
      },
      { fullerThan },
    );
    const events = this.#takeEvents();
    this.#gaps.push(...events.flatMap(clockGap));
    const isComplete = isDrained && this.waitingEvents === 0;
    const gaps = this.#gaps;
    this.#gaps = [];
    const batch = { bootId, number: this.#nextBatch++, atMs, samples, gaps, taskRuns, events: events.map(stored) };
    return { batch: begins.size === 0 ? batch : { ...batch, begins }, isComplete };
  }

  /** The last batch that was built is durable, or empty and not needed: the next one has its number then. */
  durable({ number, atMs }: Batch, isUnused = false): void {
    if (isUnused) this.#nextBatch = number;
    this.#tasks?.commit(atMs);
    this.#options.source.commit();
  }

  #takeEvents(): Batch['events'] {
    const { events, missed } = this.#options.events.since(this.#takenEvents);
    const taken = events.slice(0, MAX_BATCH_EVENTS);
    this.#lostEvents += missed;
    this.#takenEvents += missed + taken.length;
    return taken.filter(({ id }) => id > this.#lastEventId);
  }
}

/** The step of a clock becomes a gap. */
function stored({ stepMs: _, ...event }: WorkerEvent): WorkerEvent {
  return event;
}

/** Between both times of a wall clock that was set, times are missing, or there twice. */
function clockGap({ type, atUnixMs, stepMs }: WorkerEvent): Gap[] {
  if (type !== 'clock_set' || stepMs === undefined) return [];
  const beforeMs = atUnixMs - stepMs;
  const [fromMs, toMs] = [Math.min(beforeMs, atUnixMs), Math.max(beforeMs, atUnixMs)];
  return [{ workerId: undefined, fromMs, toMs, reason: 'clock_set', lost: 0 }];
}
