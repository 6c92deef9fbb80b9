/** Opens the database for the recorder, whichever it is. */
import type { Backend, DatabasePlace, OnLoss } from './database.ts';
import { HistoryError } from './history-error.ts';
import type { OpenDatabase } from './recorder.ts';
import { sqlite } from './sqlite/open.ts';

/** @throws HistoryError */
export async function openDatabase(place: DatabasePlace, onLoss: OnLoss): Promise<OpenDatabase> {
  if (place.kind !== 'sqlite') throw new HistoryError('failed', 'PostgreSQL is not connected yet');
  const backend = sqlite as Backend;
  const writer = await backend.openWriter(place, onLoss);
  return {
    writer,
    async durable(bootId) {
      const reader = await backend.openReader(place, onLoss);
      try {
        const known = await reader.workers(undefined);
        return new Map(
          known
            .filter(({ durable }) => durable.bootId === bootId)
            .map(({ workerId, durable }) => [workerId, durable.next]),
        );
      } finally {
        await reader.close();
      }
    },
  };
}
