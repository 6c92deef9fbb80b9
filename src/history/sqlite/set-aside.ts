/** Sets a damaged database aside, together with its log, and leaves room for a new one. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { moveAside } from '../../lib/damaged-file.ts';

/** SQLite's names: committed pages that are not in the database yet, and the memory that connections share. */
export const logOf = (path: string): string => `${path}-wal`;
const sharedOf = (path: string): string => `${path}-shm`;

/**
 * The log goes too: SQLite would write its pages into the new database. To examine the copy, name the two files alike again.
 * @returns the database's new name
 */
export async function setAside(path: string, clock: Clock): Promise<string> {
  // One time for both names.
  const wallMs = clock.wallMs();
  const then: Clock = { ...clock, wallMs: () => wallMs };
  if (existsSync(logOf(path))) await moveAside(logOf(path), then);
  await rm(sharedOf(path), { force: true });
  return existsSync(path) ? await moveAside(path, then) : path;
}
