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
    async earlier(bootId) {
      const reader = await backend.openReader(place, onLoss);
      try {
        const known = await reader.workers(undefined);
        return new Map(
          known.map(({ workerId, lastMs, durable }) => [
            workerId,
            { next: durable.bootId === bootId ? durable.next : undefined, lastMs },
          ]),
        );
      } finally {
        await reader.close();
      }
    },
  };
}
