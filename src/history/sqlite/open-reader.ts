/** Apart from open.ts, so that a thread that only reads loads no writer. */
import type { DatabasePlace, OnLoss } from '../database.ts';
import { SqliteReader } from './reader.ts';

export type SqlitePlace = Extract<DatabasePlace, { kind: 'sqlite' }>;

export async function openSqliteReader({ path }: SqlitePlace, onLoss: OnLoss): Promise<SqliteReader> {
  return new SqliteReader(path, onLoss);
}
