/**
 * Creates a directory and its parents. Node's `recursive` option never returns if a parent exists but accepts no
 * entries (for example in /proc): it retries for ever, in a thread that not even the end of the process stops.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** @throws as `mkdir` does */
export async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  let at = resolve(path);
  while (!(await isMade(at))) {
    missing.push(at);
    at = dirname(at);
  }
  for (const below of missing.reverse()) {
    // All parents exist now, so a further failure is final.
    if (!(await isMade(below)))
      throw Object.assign(new Error(`nothing can be made in ${dirname(below)}`), { code: 'ENOENT' });
  }
}

/** @returns false if there is no parent directory */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path) return false;
    // A read-only file system reports that before it reports that the path exists.
    const isThere = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isThere) throw error;
  }
  return true;
}
