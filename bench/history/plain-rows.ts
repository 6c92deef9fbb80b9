/**
 * What most people would write: a table with a row for each heartbeat, one column for each metric, in SQLite. Its index is the
 * smallest that answers questions about one worker.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { SampleRun } from '../../src/history/samples.ts';
import { WALK_KEYS } from './walks.ts';

/** `metrics.latency_ms` is `metrics_latency_ms`. */
const COLUMNS = WALK_KEYS.map((key) => key.replaceAll('.', '_'));

export class PlainRows {
  readonly db: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(path: string) {
    this.db = new DatabaseSync(path);
    this.db.exec('PRAGMA journal_mode = WAL');
    // As history does it: what was reported as written survives a power cut.
    this.db.exec('PRAGMA synchronous = FULL');
    this.db.exec(`CREATE TABLE IF NOT EXISTS samples (
      worker INTEGER, at_ms INTEGER, ${COLUMNS.join(', ')}, PRIMARY KEY (worker, at_ms)) WITHOUT ROWID`);
    const values = ['?', '?', ...COLUMNS.map(() => '?')].join(', ');
    this.#insert = this.db.prepare(`INSERT OR REPLACE INTO samples VALUES (${values})`);
  }

  /** One statement, and, outside of a transaction, one commit for each sample. */
  insert(worker: number, { at, columns }: SampleRun, index: number): void {
    const metrics = WALK_KEYS.map((key) => columns.get(key)?.[index] ?? null);
    this.#insert.run(worker, at[index] as number, ...metrics);
  }

  /** All of them in one transaction. */
  insertAll(worker: number, run: SampleRun): void {
    this.db.exec('BEGIN');
    for (let index = 0; index < run.at.length; index++) this.insert(worker, run, index);
    this.db.exec('COMMIT');
  }

  close(): void {
    this.db.close();
  }
}
