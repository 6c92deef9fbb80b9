/** The tables, version by version. A version that was released never changes: a change is a further entry. */
import type { Connection } from './connection.ts';
import { StoreError } from './store-error.ts';

/** Marks the file as ours ("PLSA"), so that a database of another program is never written. The version is SQLite's `user_version`. */
const APPLICATION_ID = 0x50_4c_53_41;

/** Entry n leads from version n to n + 1. The folder's README describes the tables. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE alerts (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE progress (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE told_groups (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE silences (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE notifications (id INTEGER PRIMARY KEY, target TEXT NOT NULL, fresh TEXT NOT NULL, record TEXT NOT NULL) STRICT;
  CREATE TABLE dead_letters (id INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE devices_seen (worker TEXT PRIMARY KEY, most INTEGER NOT NULL, has_listed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];

export const NEWEST_VERSION = MIGRATIONS.length;

/** Brings the tables to the newest version, in one transaction. @throws StoreError `newer` */
export function migrate(connection: Connection, path: string): void {
  connection.transaction(() => {
    const version = connection.value('PRAGMA user_version') as number;
    const isOurs = connection.value('PRAGMA application_id') === APPLICATION_ID;
    const isEmpty = connection.value('SELECT count(*) FROM sqlite_schema') === 0;
    if (!isOurs && !isEmpty) throw new StoreError('newer', `${path} is a database of another program`);
    if (version > NEWEST_VERSION) {
      throw new StoreError(
        'newer',
        `${path} has version ${version}, written by a newer Pulselane; this one reads up to version ${NEWEST_VERSION}`,
      );
    }
    if (version === NEWEST_VERSION) return;
    for (const migration of MIGRATIONS.slice(version)) connection.exec(migration);
    connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    connection.exec(`PRAGMA user_version = ${NEWEST_VERSION}`);
  });
}
