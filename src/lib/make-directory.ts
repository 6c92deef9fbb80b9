/**
 * A directory, and those above it. Node's own `recursive` never returns where a parent is there and takes nothing (in /proc,
 * say): it makes parent and child in turn for ever, in a thread that not even the end of the process stops.
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
    // Nothing more is missing above it: what is wrong now is wrong.
    if (!(await isMade(below)))
      throw Object.assign(new Error(`nothing can be made in ${dirname(below)}`), { code: 'ENOENT' });
  }
}

/** @returns false if there is no directory above it that it could be made in */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path) return false;
    // A read-only file system does not say first that it exists.
    const isThere = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isThere) throw error;
  }
  return true;
}
