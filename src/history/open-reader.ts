/** Opens the database for reading, whichever it is. */
import type { HistoryReader } from './backend.ts';
import { backendOf } from './backend-of.ts';
import type { DatabasePlace, OnLoss } from './database.ts';

/** @throws HistoryError */
export function openReader(place: DatabasePlace, onLoss: OnLoss): Promise<HistoryReader> {
  return backendOf(place).openReader(place, onLoss);
}
