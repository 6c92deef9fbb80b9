/** A connection to the database: settings, statements that are prepared once, transactions. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/**
 * How long a call waits for another process that holds the lock, such as a backup that has just begun. The thread does nothing else
 * meanwhile: at a stop, after one call that waits, most of its 3 s has to be left for the spool.
 */
const BUSY_TIMEOUT_MS = 1000;

/**
 * Pages of 16 KiB: a sealed hour of one worker is some 4 KB, so that a page holds a few of them, and none needs pages of its
 * own. SQLite's usual 4 KiB would put nearly each into a chain of pages.
 */
const PAGE_BYTES = 16_384;

/** 8 MiB: after so much, the log is copied into the database, which then writes each changed page once. */
const CHECKPOINT_PAGES = 512;

/** What the log's file is cut to after a checkpoint that emptied it, if it has grown beyond. */
const LOG_FILE_BYTES = 16 * 1024 * 1024;

/** Of pages, per connection: the newest rows of a fleet of 1,000. */
const CACHE_BYTES = 16 * 1024 * 1024;

export type Row = Record<string, unknown>;

export class Connection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, { readOnly }: { readonly readOnly: boolean }) {
    this.#db = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS, defensive: true });
    try {
      this.#db.exec(`PRAGMA cache_size = ${-CACHE_BYTES / 1024}`);
      if (!readOnly) {
        // The first two take effect in a new file only, before its first page is written.
        this.#db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
        this.#db.exec('PRAGMA auto_vacuum = INCREMENTAL');
        this.#db.exec('PRAGMA journal_mode = WAL');
        // Each commit is on the disk when it returns: a power cut takes nothing that was reported durable.
        this.#db.exec('PRAGMA synchronous = FULL');
        this.#db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
        this.#db.exec(`PRAGMA journal_size_limit = ${LOG_FILE_BYTES}`);
      }
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  run(sql: string, ...values: SQLInputValue[]): { readonly changes: number; readonly lastInsertRowid: number } {
    const { changes, lastInsertRowid } = this.#prepared(sql).run(...values);
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
  }

  get<T = Row>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#prepared(sql).get(...values) as T | undefined;
  }

  all<T = Row>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepared(sql).all(...values) as T[];
  }

  /** The value of a pragma, or the first column of a query's only row. */
  value(sql: string, ...values: SQLInputValue[]): unknown {
    const row = this.get(sql, ...values);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** Commits what `work` does, or nothing of it. Waits for other writers before `work` begins, never in the middle of it. */
  write<T>(work: () => T): T {
    return this.#transaction('BEGIN IMMEDIATE', work);
  }

  /** Undoes what `work` does, even if it succeeds. */
  writeAndUndo(work: () => void): void {
    this.#transaction('BEGIN IMMEDIATE', work, 'ROLLBACK');
  }

  /** `work` sees the database as of one moment, while others write. */
  read<T>(work: () => T): T {
    return this.#transaction('BEGIN', work);
  }

  /** The same for work that takes several turns of the event loop, on the connection itself. */
  async readAcross<T>(work: (db: DatabaseSync) => Promise<T>): Promise<T> {
    this.#db.exec('BEGIN');
    try {
      // The transaction's moment is that of its first read.
      this.value('SELECT count(*) FROM sqlite_schema');
      return await work(this.#db);
    } finally {
      this.#db.exec('ROLLBACK');
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #transaction<T>(begin: string, work: () => T, end: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): T {
    this.#db.exec(begin);
    try {
      const result = work();
      this.#db.exec(end);
      return result;
    } catch (error) {
      // Some errors, such as a full disk, have ended the transaction already.
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
