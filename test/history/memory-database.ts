/** A database in memory, as the interface describes it, that fails as a test says. */
import type { Batch, Begun, HistoryFigures, HistoryWriter, MasterRun } from '../../src/history/backend.ts';
import { HistoryError, type HistoryErrorKind } from '../../src/history/history-error.ts';
import type { OpenDatabase } from '../../src/history/recorder.ts';
import type { Gap } from '../../src/history/samples.ts';
import type { TaskRun } from '../../src/history/task-run.ts';
import type { WorkerEvent } from '../../src/model/events.ts';

interface Stored {
  readonly run: number;
  readonly number: number;
  readonly at: number;
  readonly cpu: number;
}

/** Of the next calls. `lost`: it is committed, but the answer does not come. `hangs`: until {@link MemoryDatabase.release}. */
export type Outcome = HistoryErrorKind | 'lost' | 'hangs';

export class MemoryDatabase {
  readonly runs = new Map<string, { readonly run: number; lastBatch: number; lastEventId: number }>();
  readonly samples = new Map<string, Stored[]>();
  readonly gaps: Gap[] = [];
  readonly events: WorkerEvent[] = [];
  readonly taskRuns = new Map<string, TaskRun>();
  outcomes: Outcome[] = [];
  /** Every call fails so, until it is undefined again. */
  broken: HistoryErrorKind | undefined;
  /** Which batches it never takes. */
  refuses: (batch: Batch) => boolean = () => false;
  /** One step of maintenance. */
  maintain: () => boolean = () => false;
  opened = 0;
  calls = 0;
  /** It is not the one that was opened. */
  problem: string | undefined;
  #hanging: (() => void)[] = [];

  get isHanging(): boolean {
    return this.#hanging.length > 0;
  }

  release(): void {
    for (const go of this.#hanging.splice(0)) go();
  }

  readonly open = async (): Promise<OpenDatabase> => {
    await this.#call(() => {});
    this.opened++;
    const writer: HistoryWriter = {
      begin: (run) => this.#call(() => this.#begin(run)),
      write: (batch) => this.#call(() => this.#write(batch)),
      check: (batch) => this.#call(() => void this.#check(batch)),
      maintain: async () => this.maintain(),
      figures: async (): Promise<HistoryFigures> => ({ bytes: 1, oldestMs: {}, deletedEarly: 0, damaged: 0 }),
      close: async () => {},
    };
    return {
      writer,
      problem: () => this.problem,
      earlier: async (bootId) => {
        const run = this.runs.get(bootId)?.run;
        return new Map(
          Array.from(this.samples, ([workerId, all]) => {
            const last = all.findLast((sample) => sample.run === run)?.number;
            return [workerId, { next: last === undefined ? undefined : last + 1, lastMs: all.at(-1)?.at as number }];
          }),
        );
      },
    };
  };

  async #call<T>(work: () => T): Promise<T> {
    this.calls++;
    if (this.broken !== undefined) throw new HistoryError(this.broken, `it is ${this.broken}`);
    const outcome = this.outcomes.shift();
    if (outcome === 'hangs') await new Promise<void>((resolve) => this.#hanging.push(resolve));
    else if (outcome === 'lost') {
      work();
      throw new HistoryError('away', 'the connection broke');
    } else if (outcome !== undefined) throw new HistoryError(outcome, `it is ${outcome}`);
    return work();
  }

  #begin({ bootId }: MasterRun): Begun {
    let run = this.runs.get(bootId);
    if (run === undefined) {
      run = { run: this.runs.size + 1, lastBatch: 0, lastEventId: 0 };
      this.runs.set(bootId, run);
    }
    return {
      ...run,
      newestEventId: Math.max(0, ...this.events.map(({ id }) => id)),
      lastExpiryMs: undefined,
      taskRuns: [...this.taskRuns.values()],
    };
  }

  #write(batch: Batch): void {
    const run = this.#check(batch);
    if (batch.number <= run.lastBatch) return;
    run.lastBatch = batch.number;
    for (const { workerId, first, at, columns } of batch.samples) {
      const stored = this.samples.get(workerId) ?? [];
      this.samples.set(workerId, stored);
      for (const [n, atMs] of at.entries()) {
        stored.push({ run: run.run, number: first + n, at: atMs, cpu: columns.get('cpu_usage')?.[n] as number });
      }
    }
    this.gaps.push(...batch.gaps);
    for (const run of batch.taskRuns) {
      this.taskRuns.set(`${run.workerId} ${run.taskId} ${run.firstSeenMs}`, run);
    }
    this.events.push(...batch.events);
    run.lastEventId = Math.max(run.lastEventId, batch.events.at(-1)?.id ?? 0);
  }

  #check(batch: Batch): { readonly run: number; lastBatch: number; lastEventId: number } {
    const run = this.runs.get(batch.bootId);
    if (run === undefined) throw new HistoryError('failed', 'a run that was not announced');
    if (batch.number > run.lastBatch && this.refuses(batch)) throw new HistoryError('failed', 'it does not like it');
    return run;
  }
}
