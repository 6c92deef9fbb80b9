/**
 * Reads history from PostgreSQL. Each call is one transaction that sees one moment. Rows are fetched in portions, so that a long
 * range takes no more memory than a short one, and between portions the caller may cancel; while it waits for one, too.
 */
import type { WorkerEvent } from '../../model/events.ts';
import type {
  Durable,
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
import { HistoryError } from '../history-error.ts';
import { type BucketRun, type Gap, type RollupTier, type SampleRun, TIER_MS } from '../samples.ts';
import type { TaskRun } from '../task-run.ts';
import { BucketRows } from './bucket-rows.ts';
import type { Connection, Row } from './connection.ts';
import { findEvents } from './events.ts';
import { readFigures } from './figures.ts';
import { downtimes, findGaps } from './gaps.ts';
import { heardWorkers, knownWorkers } from './known-workers.ts';
import { storable } from './metric-columns.ts';
import { versionOf } from './migrations.ts';
import { readColumns } from './read-columns.ts';
import { bucketsOf } from './rollup-sql.ts';
import { fromSqlMs } from './sql.ts';
import { StoredSamples } from './stored-samples.ts';
import { HOUR_MS, sqlTime, TABLES } from './tables.ts';
import { findTaskRuns } from './task-runs.ts';

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/** Rows of one portion: some 500 KB with a few custom metrics. */
const PORTION = 2_000;
/** How long a worker's part of a range may be, times workers, for them to be sorted in one statement: some 100,000 samples at 5 s. */
const SORTED_MS = 6 * 24 * HOUR_MS;
const MAX_WORKERS = 200;
/** How often the caller is asked whether it still wants an answer that is waited for. */
const ASK_MS = 50;

const NO_FIGURES: HistoryFigures = { bytes: 0, oldestMs: {}, deletedEarly: 0, damaged: 0 };

export class PostgresReader implements HistoryReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  heard(bootId: string, most: number, others: readonly string[]): Promise<readonly HeardWorker[]> {
    return this.#read([], () => heardWorkers(this.#connection, bootId, most, others));
  }

  workers(workerIds: readonly string[] | undefined): Promise<readonly KnownWorker[]> {
    return this.#read([], () => knownWorkers(this.#connection, workerIds));
  }

  samples(request: RangeRequest, visit: Visit<SampleRun>, isCancelled: IsCancelled): Promise<void> {
    const { fromMs, toMs } = request;
    const columns = readColumns(request.keys, 'raw');
    return this.#eachPortion(request, fromMs, toMs, isCancelled, (durable) => {
      const stored = new StoredSamples(columns, (run) => visit.part(run, durableOf(durable, run.workerId)));
      const sql = `SELECT worker, run, number, ${fromSqlMs('at')}, flags${columns.sql} FROM pulselane.samples
        WHERE worker = ANY($1::text[]) AND at >= ${sqlTime(fromMs)} AND at < ${sqlTime(toMs)} ORDER BY worker, run, number`;
      return { sql, add: (row) => stored.add(row), end: () => stored.end() };
    });
  }

  buckets(
    request: RangeRequest & { readonly tier: RollupTier },
    visit: Visit<BucketRun>,
    isCancelled: IsCancelled,
  ): Promise<void> {
    const { tier, keys } = request;
    const stepMs = TIER_MS[tier];
    // A bucket belongs to the range if its start does, with all of its samples.
    const fromMs = Math.ceil(request.fromMs / stepMs) * stepMs;
    const toMs = Math.ceil(request.toMs / stepMs) * stepMs;
    const columns = readColumns(keys, tier);
    return this.#eachPortion(request, fromMs, toMs, isCancelled, (durable, due) => {
      const rows = new BucketRows(tier, columns, (run) => visit.part(run, durableOf(durable, run.workerId)));
      const hours = `ARRAY[${due.map(sqlTime).join(', ')}]::timestamptz[]`;
      const range = (time: string) =>
        `worker = ANY($1::text[]) AND ${time} >= ${sqlTime(fromMs)} AND ${time} < ${sqlTime(toMs)}`;
      const select = `SELECT worker, ${fromSqlMs('start')} AS start${columns.sql} FROM`;
      const rolledUp = `${select} ${TABLES[tier].name} WHERE ${range('start')}
        AND date_bin('1 hour', start, to_timestamp(0)) <> ALL (${hours})`;
      const newest = `pulselane.samples WHERE ${range('at')} AND at >= ${sqlTime(due[0] ?? 0)}
        AND at < ${sqlTime((due.at(-1) ?? 0) + HOUR_MS)} AND date_bin('1 hour', at, to_timestamp(0)) = ANY (${hours})`;
      const computed = `${select} (${bucketsOf(newest, tier, keys)}) AS computed`;
      const sql = `${due.length === 0 ? rolledUp : `${rolledUp} UNION ALL ${computed}`} ORDER BY worker, start`;
      return { sql, add: (row) => rows.add(row), end: () => rows.end() };
    });
  }

  gaps(workerIds: readonly string[], fromMs: number, toMs: number): Promise<readonly Gap[]> {
    return this.#read([], async () => [
      ...(await downtimes(this.#connection, fromMs, toMs)),
      ...(await findGaps(this.#connection, workerIds, fromMs, toMs)),
    ]);
  }

  taskRuns(filter: TaskRunFilter): Promise<readonly TaskRun[]> {
    return this.#read([], () => findTaskRuns(this.#connection, filter));
  }

  events(filter: EventFilter): Promise<readonly WorkerEvent[]> {
    return this.#read([], () => findEvents(this.#connection, filter));
  }

  figures(): Promise<HistoryFigures> {
    return this.#read(NO_FIGURES, () => readFigures(this.#connection));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** @param absent the answer while no master has made the tables */
  #read<T>(absent: T, use: () => Promise<T>): Promise<T> {
    return this.#connection.exclusively(async () => {
      if ((await versionOf(this.#connection)) === 0) return absent;
      return this.#connection.transaction(BEGIN, use);
    });
  }

  /** Some workers at a time, so that the server sorts a bounded number of rows. */
  #eachPortion(
    { workerIds }: RangeRequest,
    fromMs: number,
    toMs: number,
    isCancelled: IsCancelled,
    query: (durable: ReadonlyMap<string, Durable>, dueHours: readonly number[]) => Portions,
  ): Promise<void> {
    if (!(fromMs < toMs)) return Promise.resolve();
    return this.#read(undefined, () =>
      this.#unlessCancelled(isCancelled, async () => {
        const known = await knownWorkers(this.#connection, workerIds);
        const inRange = known.filter(({ firstMs, lastMs }) => firstMs < toMs && lastMs >= fromMs - HOUR_MS);
        const due = await this.#dueHours(fromMs, toMs);
        const durable = new Map(known.map((worker) => [worker.workerId, worker.durable]));
        const size = Math.min(MAX_WORKERS, Math.max(1, Math.floor(SORTED_MS / (toMs - fromMs))));
        for (let from = 0; from < inRange.length; from += size) {
          const some = inRange.slice(from, from + size).map(({ workerId }) => storable(workerId));
          await this.#fetch(query(durable, due), some, isCancelled);
        }
      }),
    );
  }

  async #dueHours(fromMs: number, toMs: number): Promise<number[]> {
    const rows = await this.#connection.rows(
      `SELECT ${fromSqlMs('hour')} FROM pulselane.hours
       WHERE is_due AND hour > ${sqlTime(fromMs - HOUR_MS)} AND hour < ${sqlTime(toMs)} ORDER BY hour`,
    );
    return rows.map(([hour]) => Number(hour));
  }

  async #fetch({ sql, add, end }: Portions, workers: readonly string[], isCancelled: IsCancelled): Promise<void> {
    await this.#connection.rows(`DECLARE portion NO SCROLL CURSOR FOR ${sql}`, [workers]);
    for (;;) {
      const rows = await this.#connection.rows(`FETCH ${PORTION} FROM portion`);
      if (isCancelled()) throw new HistoryError('failed', 'cancelled');
      for (const row of rows) add(row);
      if (rows.length < PORTION) break;
    }
    end();
    await this.#connection.rows('CLOSE portion');
  }

  /** The server may work on a portion for long: who cancels ends the connection, and the server ends the work. */
  async #unlessCancelled<T>(isCancelled: IsCancelled, use: () => Promise<T>): Promise<T> {
    let cancelled = isCancelled();
    if (cancelled) throw new HistoryError('failed', 'cancelled');
    const timer = setInterval(() => {
      if (!isCancelled()) return;
      cancelled = true;
      this.#connection.drop();
    }, ASK_MS);
    try {
      return await use();
    } catch (error) {
      throw cancelled ? new HistoryError('failed', 'cancelled') : error;
    } finally {
      clearInterval(timer);
    }
  }
}

interface Portions {
  /** With the worker ids as `$1`. */
  readonly sql: string;
  readonly add: (row: Row) => void;
  readonly end: () => void;
}

function durableOf(durable: ReadonlyMap<string, Durable>, workerId: string): Durable {
  return durable.get(workerId) as Durable;
}
