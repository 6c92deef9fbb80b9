/** History in an SQLite database: a file in the data directory. */
import { systemClock } from '../../lib/clock.ts';
import type { HistoryReader, HistoryWriter } from '../backend.ts';
import type { Backend, DatabasePlace, OnLoss } from '../database.ts';
import { SqliteReader } from './reader.ts';
import { SqliteWriter } from './writer.ts';

export type SqlitePlace = Extract<DatabasePlace, { kind: 'sqlite' }>;

export const sqlite: Backend<SqlitePlace> = {
  openWriter: (place: SqlitePlace, onLoss: OnLoss): Promise<HistoryWriter> =>
    SqliteWriter.open(place.path, onLoss, systemClock),
  openReader: async (place: SqlitePlace, onLoss: OnLoss): Promise<HistoryReader> =>
    new SqliteReader(place.path, onLoss),
};
