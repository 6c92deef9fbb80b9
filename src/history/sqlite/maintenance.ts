/**
 * What keeps the database small: one step at a time, each a transaction of some 25 ms. The writer's process may end between any two
 * of them, or within one.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Retention } from '../backend.ts';
import type { Connection } from './connection.ts';
import { addToFigure, bytesOf, DELETED_EARLY, putExpiry } from './figures.ts';
import { GROUPS, oldestInJournal } from './journal.ts';
import { DAY_MS, HOUR_MS, keyOf, MONTH_MS, periodAt, periodOf } from './periods.ts';
import { mergeDay, moveJournal, nextToMerge, nextToSeal, type OnDamage, seal } from './sealing.ts';
import { logOf } from './set-aside.ts';
import type { BlobTable } from './stored-blobs.ts';

/** A step begins no further worker after it. */
const STEP_MS = 25;

/** How long samples stay in the journal. Longer: queries read more rows; shorter: open hours are written more often. */
const JOURNAL_MS = 2 * 60_000;
/** Much after its hour has ended, so that the journal holds nothing of it any more. */
const SEAL_AFTER_MS = 10 * 60_000;
/** After the last hour of a day was sealed. */
const MERGE_AFTER_MS = HOUR_MS;

/** Rows deleted in one step: some 2 MB of samples. */
const DELETED_ROWS = 500;
/** Pages given back in one step: 2 MB. */
const RELEASED_PAGES = 128;
/** Free pages that stay, for what comes next: this share of the file, or so many. A tenth would be 5 % more bytes per number. */
const FREE_SHARE = 0.02;
const FREE_PAGES = 32;

/** Readers that overlap all the time can keep the log from being emptied: beyond this, the writer waits for them. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;
/** How long it waits for them, and after how long it tries again if they did not end. */
const LOG_WAIT_MS = 200;
const LOG_RETRY_MS = 10_000;

/** Of the maximum size, what the log may take; and what is left free after deletions, so that they do not recur at once. */
const LOG_SHARE = 1 / 8;
const HEADROOM = 0.05;

/** What has no tier is bounded by number too: each some 200 MB at most. */
const MAX_ROWS = 1_000_000;
/** Beyond every period: all of them are due. */
const LAST = 2 ** 22;

/** How often it is counted. */
const SWEEP_MS = HOUR_MS;
/** How often the next start's time is written: it need not be exact. */
const EXPIRY_PUT_MS = HOUR_MS;

export interface MaintenanceCallbacks {
  readonly onDamage: OnDamage;
  readonly onLoss: (message: string) => void;
  /** Some workers have no data any more, and no number. */
  readonly onWorkersDeleted: () => void;
}

export class Maintenance {
  readonly #db: Connection;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #callbacks: MaintenanceCallbacks;
  #shrunk = false;
  #logTriedMs = Number.NEGATIVE_INFINITY;
  #sweptMs = Number.NEGATIVE_INFINITY;
  #toldMs = Number.NEGATIVE_INFINITY;
  #expiryPutMs = Number.NEGATIVE_INFINITY;

  constructor(db: Connection, path: string, clock: Clock, callbacks: MaintenanceCallbacks) {
    this.#db = db;
    this.#path = path;
    this.#clock = clock;
    this.#callbacks = callbacks;
  }

  /** Does the first thing that is due. @returns whether it found one */
  step(nowMs: number, retention: Retention, expiryMs: number): boolean {
    this.#rememberExpiry(expiryMs);
    return (
      this.#shortenLog(MAX_LOG_BYTES) ||
      this.#keepSize(nowMs, retention) ||
      this.#moveJournal(nowMs) ||
      this.#seal(periodAt(nowMs - SEAL_AFTER_MS, HOUR_MS)) ||
      this.#mergeDays(periodAt(nowMs - MERGE_AFTER_MS, DAY_MS)) ||
      this.#expire(expiryMs, retention) ||
      this.#sweep(nowMs, expiryMs, retention) ||
      this.#releasePages()
    );
  }

  /** For the next start. */
  #rememberExpiry(expiryMs: number): void {
    if (Math.abs(expiryMs - this.#expiryPutMs) < EXPIRY_PUT_MS) return;
    this.#db.write(() => putExpiry(this.#db, expiryMs));
    this.#expiryPutMs = expiryMs;
  }

  #moveJournal(nowMs: number): boolean {
    for (let group = 0; group < GROUPS; group++) {
      const oldestMs = oldestInJournal(this.#db, group);
      // Rows of the future: the clock was set back.
      if (oldestMs === undefined || Math.abs(nowMs - oldestMs) < JOURNAL_MS) continue;
      return this.#db.write(() => moveJournal(this.#db, group, this.#callbacks.onDamage));
    }
    return false;
  }

  #seal(beforeHour: number): boolean {
    return this.#whileTime(
      () => nextToSeal(this.#db, beforeHour),
      ({ hour, worker }) => seal(this.#db, hour, worker, this.#callbacks.onDamage),
    );
  }

  #mergeDays(beforeDay: number): boolean {
    return this.#whileTime(
      () => nextToMerge(this.#db, beforeDay),
      ({ day, worker }) => mergeDay(this.#db, day, worker, this.#callbacks.onDamage),
    );
  }

  /** One transaction for as many as a step has time for. */
  #whileTime<T>(next: () => T | undefined, work: (item: T) => void): boolean {
    if (next() === undefined) return false;
    const endMs = this.#clock.monotonicMs() + STEP_MS;
    this.#db.write(() => {
      for (let item = next(); item !== undefined; item = next()) {
        work(item);
        if (this.#clock.monotonicMs() >= endMs) break;
      }
    });
    return true;
  }

  /** Whole blobs, whose newest moment is older than their tier is kept. */
  #expire(expiryMs: number, { rawMs, minuteMs, hourMs }: Retention): boolean {
    return (
      this.#deleteBlobs('raw_hours', periodAt(expiryMs - rawMs, HOUR_MS)) > 0 ||
      this.#deleteBlobs('minute_days', periodAt(expiryMs - minuteMs, DAY_MS)) > 0 ||
      this.#deleteBlobs('hour_months', periodAt(expiryMs - hourMs, MONTH_MS)) > 0 ||
      this.#deleteRows('events', 'id', 'at_ms < ?', expiryMs - hourMs) ||
      this.#deleteRows('gaps', 'id', 'to_ms < ?', expiryMs - hourMs) ||
      this.#deleteTaskRuns(expiryMs - hourMs)
    );
  }

  #deleteBlobs(table: BlobTable, beforePeriod: number): number {
    return this.#delete(
      `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE id < ? ORDER BY id LIMIT ${DELETED_ROWS})`,
      keyOf(beforePeriod, 0),
    );
  }

  #deleteRows(table: string, id: string, condition: string, value: number): boolean {
    return (
      this.#delete(
        `DELETE FROM ${table} WHERE ${id} IN (SELECT ${id} FROM ${table} WHERE ${condition} LIMIT ${DELETED_ROWS})`,
        value,
      ) > 0
    );
  }

  #deleteTaskRuns(endedBeforeMs: number): boolean {
    return (
      this.#delete(
        `DELETE FROM task_runs WHERE (first_seen_ms, worker_id, task_id) IN (
           SELECT first_seen_ms, worker_id, task_id FROM task_runs WHERE ifnull(last_seen_ms, 9e15) < ? LIMIT ${DELETED_ROWS})`,
        endedBeforeMs,
      ) > 0
    );
  }

  /** What is found by counting or by looking at all rows: rarely. */
  #sweep(nowMs: number, expiryMs: number, { hourMs }: Retention): boolean {
    if (Math.abs(nowMs - this.#sweptMs) < SWEEP_MS) return false;
    const beforeMs = expiryMs - hourMs;
    const swept =
      this.#deleteWorkers(beforeMs - MONTH_MS) ||
      this.#delete(
        `DELETE FROM master_runs WHERE up_until_ms < ? AND run NOT IN (SELECT run FROM progress)
         AND run < (SELECT max(run) FROM master_runs)`,
        beforeMs,
      ) > 0 ||
      this.#deleteExcess();
    if (!swept) this.#sweptMs = nowMs;
    return swept;
  }

  /** Workers of which nothing is left: 1-hour buckets stay up to 30 days longer than required. */
  #deleteWorkers(lastBeforeMs: number): boolean {
    return this.#db.write(() => {
      const gone = this.#db.all<{ worker: number }>(
        `SELECT worker FROM progress WHERE last_ms < ? LIMIT ${DELETED_ROWS}`,
        lastBeforeMs,
      );
      for (const { worker } of gone) {
        this.#db.run('DELETE FROM workers WHERE worker = ?', worker);
        this.#db.run('DELETE FROM progress WHERE worker = ?', worker);
      }
      if (gone.length > 0) this.#callbacks.onWorkersDeleted();
      return gone.length > 0;
    });
  }

  #deleteExcess(): boolean {
    return ['events', 'gaps', 'task_runs'].some((table) => {
      const count = this.#db.value(`SELECT count(*) FROM ${table}`) as number;
      return count > MAX_ROWS && this.#deleteOldest(table, Math.min(count - MAX_ROWS, DELETED_ROWS));
    });
  }

  #deleteOldest(table: string, rows: number): boolean {
    const [key, order] =
      table === 'task_runs' ? ['first_seen_ms, worker_id, task_id', 'ifnull(last_seen_ms, 9e15)'] : ['id', 'id'];
    return (
      this.#delete(
        `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} ORDER BY ${order} LIMIT ?)`,
        rows,
      ) > 0
    );
  }

  #delete(sql: string, value: number): number {
    return this.#db.write(() => this.#db.run(sql, value).changes);
  }

  /** Pages that deletions left free go back to the file system, except for what new data needs soon. */
  #releasePages(): boolean {
    const { pages, free } = this.#pages();
    if (free > Math.max(FREE_PAGES, pages * FREE_SHARE)) return this.#release();
    if (!this.#shrunk) return false;
    // The file becomes shorter when the log is written into it.
    this.#shrunk = false;
    return this.#emptyLog();
  }

  #release(): boolean {
    this.#db.exec(`PRAGMA incremental_vacuum(${RELEASED_PAGES})`);
    this.#shrunk = true;
    return true;
  }

  #pages(): { pages: number; free: number; bytes: number } {
    return {
      pages: this.#db.value('PRAGMA page_count') as number,
      free: this.#db.value('PRAGMA freelist_count') as number,
      bytes: this.#db.value('PRAGMA page_size') as number,
    };
  }

  #shortenLog(mostBytes: number): boolean {
    return bytesOf(logOf(this.#path)) > mostBytes && this.#emptyLog();
  }

  /** @returns whether it did: readers may need the log */
  #emptyLog(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#logTriedMs < LOG_RETRY_MS) return false;
    const timeoutMs = this.#db.value('PRAGMA busy_timeout') as number;
    this.#db.exec(`PRAGMA busy_timeout = ${LOG_WAIT_MS}`);
    try {
      const isBusy = this.#db.value('PRAGMA wal_checkpoint(TRUNCATE)') === 1;
      this.#logTriedMs = isBusy ? nowMs : Number.NEGATIVE_INFINITY;
      return !isBusy;
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
    }
  }

  /** Above the maximum size, the oldest raw samples of all workers go first, then the oldest buckets, then all else. */
  #keepSize(nowMs: number, retention: Retention): boolean {
    const { maxBytes } = retention;
    if (maxBytes === undefined) return false;
    const logBytes = Math.min(MAX_LOG_BYTES, maxBytes * LOG_SHARE);
    if (this.#shortenLog(logBytes)) return true;
    const fileBytes = maxBytes - logBytes;
    const { pages, free, bytes } = this.#pages();
    if (pages * bytes <= fileBytes) return false;
    const excess = (pages - free) * bytes - fileBytes * (1 - HEADROOM);
    if (excess > 0 && this.#deleteEarly(nowMs, retention, excess)) return true;
    return free > 0 && this.#release();
  }

  /** @param excess bytes that must become free, in this step and further ones */
  #deleteEarly(nowMs: number, { rawMs, maxBytes }: Retention, excess: number): boolean {
    const samples = this.#oldestOf(excess, 'raw_hours', 'samples', 'count');
    const last = samples.at(-1);
    if (last !== undefined) {
      const keptFrom = keyOf(periodAt(nowMs - rawMs, HOUR_MS), 0);
      const early = samples.reduce((sum, { id, count }) => sum + (id >= keptFrom ? count : 0), 0);
      this.#db.write(() => {
        this.#db.run('DELETE FROM raw_hours WHERE id <= ?', last.id);
        if (early > 0) addToFigure(this.#db, DELETED_EARLY, early);
      });
      if (early > 0) this.#tell(nowMs, maxBytes as number, (periodOf(last.id) + 1) * HOUR_MS);
      return true;
    }
    return (
      this.#moveAnything() ||
      this.#seal(LAST) ||
      this.#deleteOldestBlobs('minute_days', excess) ||
      this.#mergeDays(LAST) ||
      this.#deleteOldestBlobs('hour_months', excess) ||
      ['events', 'task_runs', 'gaps'].some((table) => this.#deleteOldest(table, DELETED_ROWS))
    );
  }

  /** The first rows of a table that have so many bytes together: no more than needed, in case they are few and large. */
  #oldestOf(
    bytes: number,
    table: BlobTable,
    blob: 'samples' | 'buckets',
    count: 'count' | '0',
  ): { readonly id: number; readonly count: number }[] {
    const oldest = this.#db.all<{ id: number; count: number; bytes: number }>(
      `SELECT id, ${count} AS count, length(${blob}) AS bytes FROM ${table} ORDER BY id LIMIT ${DELETED_ROWS}`,
    );
    let sum = 0;
    return oldest.filter((row) => {
      const isNeeded = sum < bytes;
      sum += row.bytes;
      return isNeeded;
    });
  }

  #deleteOldestBlobs(table: 'minute_days' | 'hour_months', bytes: number): boolean {
    const last = this.#oldestOf(bytes, table, 'buckets', '0').at(-1);
    return last !== undefined && this.#delete(`DELETE FROM ${table} WHERE id <= ?`, last.id) > 0;
  }

  #moveAnything(): boolean {
    for (let group = 0; group < GROUPS; group++) {
      if (oldestInJournal(this.#db, group) === undefined) continue;
      return this.#db.write(() => moveJournal(this.#db, group, this.#callbacks.onDamage));
    }
    return false;
  }

  /** Once an hour while it lasts. */
  #tell(nowMs: number, maxBytes: number, beforeMs: number): void {
    if (Math.abs(nowMs - this.#toldMs) < HOUR_MS) return;
    this.#toldMs = nowMs;
    const mib = Math.round(maxBytes / 1024 / 1024);
    this.#callbacks.onLoss(
      `${this.#path} reached its maximum size of ${mib} MiB: samples received before ${new Date(beforeMs).toISOString()} are deleted early`,
    );
  }
}
