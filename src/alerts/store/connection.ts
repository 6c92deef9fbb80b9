/** A connection to the file of alerts: settings, statements that are prepared once, transactions. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** Nobody else writes the file; a backup or a person with `sqlite3` may hold it for a moment. */
const BUSY_TIMEOUT_MS = 500;
/** 4 MiB in pages of 4 KiB: after so much, the log is copied into the file. */
const CHECKPOINT_PAGES = 1024;
/** What the log's file is cut to after a checkpoint that emptied it, if it has grown beyond. */
const LOG_FILE_BYTES = 8 * 1024 * 1024;

export class Connection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, defensive: true });
    try {
      this.#db.exec('PRAGMA journal_mode = WAL');
      // Each commit is on the disk when it returns: a power cut takes nothing that was committed.
      this.#db.exec('PRAGMA synchronous = FULL');
      this.#db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      this.#db.exec(`PRAGMA journal_size_limit = ${LOG_FILE_BYTES}`);
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

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#prepared(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepared(sql).all(...values) as T[];
  }

  /** The value of a pragma, or the first column of a query's only row. */
  value(sql: string, ...values: SQLInputValue[]): unknown {
    const row = this.get<Record<string, unknown>>(sql, ...values);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** Commits what `work` does, or nothing of it. */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // Some errors, such as a full disk, have ended the transaction already.
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
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
