import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { HistoryError } from '../../../src/history/history-error.ts';
import { historyError } from '../../../src/history/sqlite/errors.ts';
import { SqliteScene } from './place.ts';

/** What SQLite throws. */
function errorOf(work: () => void): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

function made(): { scene: SqliteScene; db: DatabaseSync } {
  const scene = new SqliteScene();
  const db = new DatabaseSync(scene.path, { timeout: 0 });
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
  return { scene, db };
}

test.each([
  [
    'busy',
    () => {
      const { scene, db } = made();
      db.exec('BEGIN IMMEDIATE');
      const other = new DatabaseSync(scene.path, { timeout: 0 });
      const error = errorOf(() => other.exec('BEGIN IMMEDIATE'));
      other.close();
      db.close();
      return error;
    },
  ],
  [
    'full',
    () => {
      const { db } = made();
      db.exec('PRAGMA max_page_count = 4');
      const error = errorOf(() => db.exec('INSERT INTO t VALUES (zeroblob(100000))'));
      db.close();
      return error;
    },
  ],
  [
    'read_only',
    () => {
      const { scene, db } = made();
      const other = new DatabaseSync(scene.path, { readOnly: true });
      const error = errorOf(() => other.exec('INSERT INTO t VALUES (1)'));
      other.close();
      db.close();
      return error;
    },
  ],
  ['refused', () => errorOf(() => new DatabaseSync(join(new SqliteScene().folder, 'nowhere', 'history.db')))],
  [
    'damaged',
    () => {
      const { path } = new SqliteScene();
      writeFileSync(path, 'not a database '.repeat(100));
      const db = new DatabaseSync(path);
      const error = errorOf(() => db.exec('SELECT * FROM sqlite_schema'));
      db.close();
      return error;
    },
  ],
  [
    'failed',
    () => {
      const { db } = made();
      const error = errorOf(() => db.exec('SELECT * FROM nothing'));
      db.close();
      return error;
    },
  ],
  ['full', () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })],
  ['read_only', () => Object.assign(new Error('read-only file system'), { code: 'EROFS' })],
] as const)('%s: %s', (kind, cause) => {
  const error = historyError(cause(), 'write history.db');
  expect(error).toBeInstanceOf(HistoryError);
  expect(error.kind).toBe(kind);
  expect(error.message).toMatch(/^cannot write history\.db: [^\n]+$/);
  expect(historyError(error, 'anything')).toBe(error);
});
