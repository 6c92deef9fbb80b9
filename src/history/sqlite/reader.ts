/** Reads history from an SQLite database, beside the process or thread that writes it. */
import { setImmediate } from 'node:timers/promises';
import type { WorkerEvent } from '../../model/events.ts';
import type {
  EventFilter,
  HeardWorker,
  HistoryFigures,
  HistoryReader,
  IsCancelled,
  KnownWorker,
  RangeRequest,
  TaskRunFilter,
  Visit,
} from '../backend.ts';
import type { OnLoss } from '../database.ts';
import { HistoryError } from '../history-error.ts';
import { runsWithin } from '../sample-runs.ts';
import { type BucketRun, type Gap, type RollupTier, type SampleRun, TIER_MS } from '../samples.ts';
import type { TaskRun } from '../task-run.ts';
import { Connection } from './connection.ts';
import { historyError } from './errors.ts';
import { findEvents } from './events.ts';
import { bytesOf, fileOf, readFigures } from './figures.ts';
import { downtimes, findGaps } from './gaps.ts';
import { groupOf, journalSamples } from './journal.ts';
import { heardWorkers, knownWorkers, type StoredWorker, storedWorkers } from './known-workers.ts';
import { checkVersion, NEWEST_VERSION, versionOf } from './migrations.ts';
import { HOUR_MS, periodsWithin } from './periods.ts';
import { storedBuckets } from './stored-buckets.ts';
import { inOrderOfReceipt, type OnDamagedPart, openParts, type SamplePart, sealedParts } from './stored-samples.ts';
import { findTaskRuns } from './task-runs.ts';

/** Parts that cannot be read are told and counted once; so many are remembered. */
const MAX_TOLD = 10_000;

/** What a call reads of one worker, as of one moment. */
interface WorkerView {
  readonly db: Connection;
  readonly stored: StoredWorker;
  readonly journal: readonly SampleRun[];
  readonly onDamage: OnDamagedPart;
}

export class SqliteReader implements HistoryReader {
  readonly #path: string;
  readonly #onLoss: OnLoss;
  #open: { readonly db: Connection; readonly file: string } | undefined;
  readonly #told = new Set<string>();
  #damaged = 0;
  /** Calls take turns: each may leave a transaction open while it lets the event loop run. */
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** Opens nothing yet: the database may come later. */
  constructor(path: string, onLoss: OnLoss) {
    this.#path = path;
    this.#onLoss = onLoss;
  }

  heard(bootId: string, most: number, others: readonly string[]): Promise<readonly HeardWorker[]> {
    return this.#inTurn([], (db) => heardWorkers(db, bootId, most, others));
  }

  workers(workerIds: readonly string[] | undefined): Promise<readonly KnownWorker[]> {
    return this.#inTurn([], (db) => knownWorkers(db, workerIds));
  }

  samples(request: RangeRequest, visit: Visit<SampleRun>, isCancelled: IsCancelled): Promise<void> {
    const { fromMs, toMs, keys } = request;
    const { first, last } = periodsWithin(fromMs, toMs, HOUR_MS);
    return this.#eachWorker(request, visit, isCancelled, ({ db, stored, journal, onDamage }) => {
      const parts: SamplePart[] = [
        ...sealedParts(db, stored, first, last, keys, onDamage),
        ...openParts(db, stored, first, last, keys, onDamage),
        ...journal.map((run) => ({ run: run.run, first: run.first, load: () => [run] })),
      ];
      for (const runs of inOrderOfReceipt(parts)) {
        checkCancelled(isCancelled);
        for (const run of runs) {
          for (const part of runsWithin(run, fromMs, toMs)) visit.part(part, stored.durable);
        }
      }
    });
  }

  buckets(
    request: RangeRequest & { readonly tier: RollupTier },
    visit: Visit<BucketRun>,
    isCancelled: IsCancelled,
  ): Promise<void> {
    const lengthMs = TIER_MS[request.tier];
    // A bucket belongs to the range if its start does, with all of its samples.
    const range = {
      ...request,
      fromMs: Math.ceil(request.fromMs / lengthMs) * lengthMs,
      toMs: Math.ceil(request.toMs / lengthMs) * lengthMs,
    };
    return this.#eachWorker(range, visit, isCancelled, ({ db, stored, journal, onDamage }) => {
      for (const run of storedBuckets(db, stored, range, journal, onDamage)) {
        checkCancelled(isCancelled);
        if (run.start.length > 0) visit.part(run, stored.durable);
      }
    });
  }

  gaps(workerIds: readonly string[], fromMs: number, toMs: number): Promise<readonly Gap[]> {
    return this.#inTurn([], (db) =>
      db.read(() => [...downtimes(db, fromMs, toMs), ...findGaps(db, workerIds, fromMs, toMs)]),
    );
  }

  taskRuns(filter: TaskRunFilter): Promise<readonly TaskRun[]> {
    return this.#inTurn([], (db) => db.read(() => findTaskRuns(db, filter)));
  }

  events(filter: EventFilter): Promise<readonly WorkerEvent[]> {
    return this.#inTurn([], (db) => findEvents(db, filter));
  }

  figures(): Promise<HistoryFigures> {
    const none = { bytes: 0, oldestMs: {}, deletedEarly: 0, damaged: this.#damaged };
    return this.#inTurn(none, (db) => readFigures(db, this.#path, this.#damaged));
  }

  close(): Promise<void> {
    const closed = this.#turn.then(() => {
      this.#isClosed = true;
      this.#release();
    });
    this.#turn = closed;
    return closed;
  }

  /**
   * Group by group of the journal, so that a call for many workers reads each of its rows once. Each group is a transaction of
   * its own: a long one would keep the writer's log from being emptied.
   */
  #eachWorker<Run>(
    { workerIds, fromMs, toMs, keys }: RangeRequest,
    visit: Visit<Run>,
    isCancelled: IsCancelled,
    read: (view: WorkerView) => void,
  ): Promise<void> {
    return this.#inTurn(undefined, async (db) => {
      const groups = Map.groupBy(storedWorkers(db, workerIds), ({ worker }) => groupOf(worker));
      for (const [group, members] of groups) {
        // Whoever cancels gets a turn.
        await setImmediate();
        checkCancelled(isCancelled);
        db.read(() => {
          const current = storedWorkers(
            db,
            members.map(({ workerId }) => workerId),
          );
          const ids = new Map(current.map(({ worker, workerId }) => [worker, workerId]));
          const journal = journalSamples(
            db,
            group,
            (worker) => ids.get(worker),
            keys,
            (row, error) => {
              const told = this.#damage(
                `journal ${row.id}`,
                'samples of several workers that are not sealed yet',
                error,
              );
              for (const { workerId } of told ? current : []) visit.gap(damagedGap(workerId, fromMs, toMs, 0));
            },
          );
          for (const stored of current) {
            checkCancelled(isCancelled);
            const { workerId } = stored;
            const onDamage: OnDamagedPart = (what, partFromMs, partToMs, lost, error) => {
              const time = `from ${new Date(partFromMs).toISOString()} to ${new Date(partToMs).toISOString()}`;
              this.#damage(what, `what ${workerId} sent ${time}`, error);
              visit.gap(damagedGap(workerId, partFromMs, partToMs, lost));
            };
            read({ db, stored, journal: journal.get(stored.worker) ?? [], onDamage });
          }
        });
      }
    });
  }

  #damage(key: string, what: string, error: unknown): boolean {
    if (!(error instanceof HistoryError)) throw error;
    if (this.#told.has(key)) return false;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(key);
    this.#damaged++;
    this.#onLoss(`${this.#path}: ${what} cannot be read: ${error.message}`);
    return true;
  }

  /** @param absent the answer while there is no database */
  #inTurn<T>(absent: T, call: (db: Connection) => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      try {
        if (this.#isClosed) throw new HistoryError('failed', `${this.#path} is closed`);
        const db = this.#connected();
        return db === undefined ? absent : await call(db);
      } catch (error) {
        const reason = historyError(error, `read ${this.#path}`);
        if (reason.kind === 'damaged' || reason.kind === 'away') this.#release();
        throw reason;
      }
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Undefined: the database is not there, or not made yet. */
  #connected(): Connection | undefined {
    const file = fileOf(this.#path);
    if (this.#open?.file === file) return this.#open?.db;
    this.#release();
    if (file === undefined || bytesOf(this.#path) === 0) return undefined;
    const db = new Connection(this.#path, { readOnly: true });
    try {
      checkVersion(db, this.#path);
      const version = versionOf(db);
      if (version > 0 && version < NEWEST_VERSION) {
        throw new HistoryError('busy', `${this.#path} is being upgraded from version ${version}`);
      }
      if (version > 0) this.#open = { db, file };
    } finally {
      if (this.#open === undefined) db.close();
    }
    return this.#open?.db;
  }

  #release(): void {
    try {
      this.#open?.db.close();
    } finally {
      this.#open = undefined;
    }
  }
}

function damagedGap(workerId: string, fromMs: number, toMs: number, lost: number): Gap {
  return { workerId, fromMs, toMs, reason: 'damaged', lost };
}

function checkCancelled(isCancelled: IsCancelled): void {
  if (isCancelled()) throw new HistoryError('failed', 'cancelled');
}
