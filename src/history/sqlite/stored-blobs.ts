/** The rows of a table of blobs that belong to one worker. */
import type { Connection } from './connection.ts';
import { keyOf, MAX_PARTS, periodOf, workerOf } from './periods.ts';

export type BlobTable = 'open_hours' | 'raw_hours' | 'minute_hours' | 'minute_days' | 'hour_months';

/** The periods from `first` to `last` of which the table has a row of the worker. Times in which it has none cost one lookup. */
export function periodsOf(db: Connection, table: BlobTable, worker: number, first: number, last: number): number[] {
  const present: number[] = [];
  let period = first;
  while (period <= last) {
    const key = keyOf(period, worker);
    const next = db.value(`SELECT id FROM ${table} WHERE id >= ? ORDER BY id LIMIT 1`, key) as number | undefined;
    if (next === undefined) break;
    if (next < key + MAX_PARTS) {
      present.push(period);
      period++;
    } else {
      // The next row is of another worker: the period is its own or the one after, but is not before it.
      const isAhead = periodOf(next) > period && workerOf(next) <= worker;
      period = isAhead ? periodOf(next) : Math.max(periodOf(next), period) + 1;
    }
  }
  return present;
}

/** The parts of a worker's period, oldest first. */
export function partsOf<T>(db: Connection, table: BlobTable, columns: string, period: number, worker: number): T[] {
  const key = keyOf(period, worker);
  return db.all<T>(`SELECT ${columns} FROM ${table} WHERE id >= ? AND id < ? ORDER BY id`, key, key + MAX_PARTS);
}
