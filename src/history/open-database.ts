/** Opens the database for the recorder, whichever it is. */
import { statSync } from 'node:fs';
import { backendOf } from './backend-of.ts';
import type { DatabasePlace, OnLoss } from './database.ts';
import { MAX_HEARD_WORKERS } from './history-limits.ts';
import type { OpenDatabase } from './recorder.ts';

/** Identifies the file; undefined: there is none. A database that is set aside and begun anew is noticed, too, and opened again. */
function fileAt(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** @throws HistoryError */
export async function openDatabase(place: DatabasePlace, onLoss: OnLoss): Promise<OpenDatabase> {
  const backend = backendOf(place);
  const writer = await backend.openWriter(place, onLoss);
  const opened = place.kind === 'sqlite' ? fileAt(place.path) : undefined;
  return {
    writer,
    problem() {
      if (place.kind !== 'sqlite' || fileAt(place.path) === opened) return undefined;
      return `${place.path} was removed or replaced: it is opened again`;
    },
    async earlier(bootId, others = []) {
      const reader = await backend.openReader(place, onLoss);
      try {
        const heard = await reader.heard(bootId, MAX_HEARD_WORKERS, others);
        return new Map(heard.map(({ workerId, next, lastMs }) => [workerId, { next, lastMs }]));
      } finally {
        await reader.close();
      }
    },
  };
}
