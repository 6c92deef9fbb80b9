/** Opens the database for reading, whichever it is. */
import type { HistoryReader } from './backend.ts';
import type { Backend, DatabasePlace, OnLoss } from './database.ts';
import { sqlite } from './sqlite/open.ts';

/** @throws HistoryError */
export function openReader(place: DatabasePlace, onLoss: OnLoss): Promise<HistoryReader> {
  // The kind of a place belongs to its backend.
  const backend = sqlite as Backend;
  return backend.openReader(place, onLoss);
}
