/** History in an SQLite database: a file in the data directory. */
import { systemClock } from '../../lib/clock.ts';
import type { HistoryWriter } from '../backend.ts';
import type { Backend, OnLoss } from '../database.ts';
import { openSqliteReader, type SqlitePlace } from './open-reader.ts';
import { SqliteWriter } from './writer.ts';

export const sqlite: Backend<SqlitePlace> = {
  openWriter: (place: SqlitePlace, onLoss: OnLoss): Promise<HistoryWriter> =>
    SqliteWriter.open(place.path, onLoss, systemClock),
  openReader: openSqliteReader,
};
