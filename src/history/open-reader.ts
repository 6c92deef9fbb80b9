/** Opens the database for reading, whichever it is. A thread that only reads loads this one reader, and no writer. */
import type { HistoryReader } from './backend.ts';
import type { DatabasePlace, OnLoss } from './database.ts';

/** @throws HistoryError */
export async function openReader(place: DatabasePlace, onLoss: OnLoss): Promise<HistoryReader> {
  if (place.kind === 'sqlite') {
    const { openSqliteReader } = await import('./sqlite/open-reader.ts');
    return openSqliteReader(place, onLoss);
  }
  const { openPostgresReader } = await import('./postgres/open-reader.ts');
  return openPostgresReader(place);
}
