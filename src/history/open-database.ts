/** Opens the database for the recorder, whichever it is. */
import { backendOf } from './backend-of.ts';
import type { DatabasePlace, OnLoss } from './database.ts';
import type { OpenDatabase } from './recorder.ts';

/** @throws HistoryError */
export async function openDatabase(place: DatabasePlace, onLoss: OnLoss): Promise<OpenDatabase> {
  const backend = backendOf(place);
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
