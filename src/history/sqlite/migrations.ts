/** The tables, version by version. A version that was released never changes: a change is a further entry. */
import { HistoryError } from '../history-error.ts';
import type { Connection } from './connection.ts';

/**
 * Marks the file as ours ("PLSE"), so that a database of another program is never written.
 * The version is SQLite's `user_version`.
 */
const APPLICATION_ID = 0x50_4c_53_45;

/** Entry n leads from version n to n + 1. The folder's README describes the tables. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE figures (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE master_runs (
    run INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL UNIQUE,
    started_ms REAL NOT NULL,
    last_batch REAL NOT NULL,
    up_until_ms REAL NOT NULL
  ) STRICT;

  CREATE TABLE workers (
    worker INTEGER PRIMARY KEY AUTOINCREMENT,
    worker_id TEXT NOT NULL UNIQUE,
    first_ms REAL NOT NULL,
    keys TEXT NOT NULL
  ) STRICT;
  CREATE TABLE progress (
    worker INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    next REAL NOT NULL,
    last_ms REAL NOT NULL
  ) STRICT;

  CREATE TABLE journal (id INTEGER PRIMARY KEY, at_ms REAL NOT NULL, samples BLOB NOT NULL) STRICT;
  CREATE TABLE open_hours (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    first REAL NOT NULL,
    samples BLOB NOT NULL
  ) STRICT;
  CREATE TABLE raw_hours (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    first REAL NOT NULL,
    count INTEGER NOT NULL,
    samples BLOB NOT NULL
  ) STRICT;
  CREATE TABLE minute_hours (id INTEGER PRIMARY KEY, buckets BLOB NOT NULL, hour BLOB NOT NULL) STRICT;
  CREATE TABLE minute_days (id INTEGER PRIMARY KEY, buckets BLOB NOT NULL) STRICT;
  CREATE TABLE hour_months (id INTEGER PRIMARY KEY, buckets BLOB NOT NULL) STRICT;

  CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    worker_id TEXT,
    from_ms REAL NOT NULL,
    to_ms REAL NOT NULL,
    reason TEXT NOT NULL,
    lost REAL NOT NULL
  ) STRICT;
  CREATE INDEX gaps_by_worker ON gaps (worker_id, to_ms);
  CREATE INDEX gaps_by_end ON gaps (to_ms);

  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at_ms REAL NOT NULL,
    worker_id TEXT,
    event TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_worker ON events (worker_id, id) WHERE worker_id IS NOT NULL;
  CREATE INDEX events_by_time ON events (at_ms);

  CREATE TABLE task_runs (
    first_seen_ms REAL NOT NULL,
    worker_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    last_seen_ms REAL,
    started_ms REAL,
    ended_ms REAL,
    status TEXT NOT NULL,
    cpu_allocated REAL NOT NULL,
    memory_allocated REAL NOT NULL,
    gpu_allocated REAL NOT NULL,
    outcome TEXT NOT NULL,
    exit_code REAL,
    cpu_seconds REAL,
    max_rss_bytes REAL,
    PRIMARY KEY (first_seen_ms DESC, worker_id, task_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX task_runs_by_worker ON task_runs (worker_id, first_seen_ms DESC, task_id);
  CREATE INDEX task_runs_by_task ON task_runs (task_id, first_seen_ms DESC, worker_id);
  CREATE INDEX task_runs_by_end ON task_runs (ifnull(last_seen_ms, 9e15));
  `,
  'ALTER TABLE master_runs ADD COLUMN last_event_id REAL NOT NULL DEFAULT 0',
];

export const NEWEST_VERSION = MIGRATIONS.length;

export function versionOf(connection: Connection): number {
  return connection.value('PRAGMA user_version') as number;
}

/** @throws HistoryError `newer`; `refused` for a database of another program */
export function checkVersion(connection: Connection, path: string): void {
  const version = versionOf(connection);
  const isOurs = connection.value('PRAGMA application_id') === APPLICATION_ID;
  const isEmpty = connection.value('SELECT count(*) FROM sqlite_schema') === 0;
  if (!isOurs && !isEmpty) throw new HistoryError('refused', `${path} is a database of another program`);
  if (version > NEWEST_VERSION) {
    throw new HistoryError(
      'newer',
      `${path} has version ${version}, written by a newer Pulselane; this one reads up to version ${NEWEST_VERSION}`,
    );
  }
}

/**
 * Brings the tables to the newest version, in one transaction. Of two processes that start at once, the second waits and finds
 * nothing to do.
 */
export function migrate(connection: Connection, path: string): void {
  connection.write(() => {
    checkVersion(connection, path);
    const version = versionOf(connection);
    if (version === NEWEST_VERSION) return;
    for (const migration of MIGRATIONS.slice(version)) connection.exec(migration);
    connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    connection.exec(`PRAGMA user_version = ${NEWEST_VERSION}`);
  });
}
