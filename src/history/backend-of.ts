/** The database's backend, whichever it is. */
import type { Backend, DatabasePlace } from './database.ts';
import { postgres } from './postgres/open.ts';
import { sqlite } from './sqlite/open.ts';

export function backendOf(place: DatabasePlace): Backend {
  // The kind of a place belongs to its backend.
  return (place.kind === 'sqlite' ? sqlite : postgres) as Backend;
}
