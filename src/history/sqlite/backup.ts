/** A consistent copy of a database that another process may be writing to. */
import { existsSync, statSync } from 'node:fs';
import { chmod, link, open, rename, rm } from 'node:fs/promises';
import { backup as copyPages, DatabaseSync } from 'node:sqlite';
import { HistoryError } from '../history-error.ts';
import { Connection } from './connection.ts';
import { historyError } from './errors.ts';
import { bytesOf } from './figures.ts';
import { checkVersion, versionOf } from './migrations.ts';

/** Copied between two calls of `onProgress`: 4 MiB. */
const PAGES_PER_STEP = 256;

/**
 * Copies the database at `path`, as of the moment of the call, to `file`: one file that is complete without a log. The copy has
 * another name until it was read through and is on the disk. Needs as much space as the database takes.
 *
 * To restore, stop the master and put the file in the place of the database, without the two files beside it that SQLite keeps
 * (`-wal`, `-shm`).
 * @param onProgress gets the share that is copied, 0 to 1
 * @returns the copy's bytes
 * @throws HistoryError; `refused` if there is no database, or if `file` exists
 */
export async function backup(
  path: string,
  file: string,
  onProgress: (share: number) => void = () => {},
): Promise<number> {
  if (!existsSync(path)) throw new HistoryError('refused', `there is no history at ${path}`);
  if (existsSync(file)) throw alreadyThere(file);
  const partial = `${file}.partial-${process.pid}`;
  try {
    await copy(path, partial, onProgress);
    await chmod(partial, statSync(path).mode & 0o777);
    verify(partial);
    await publish(partial, file);
    return bytesOf(file);
  } catch (error) {
    throw historyError(error, `copy ${path} to ${file}`);
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(`${partial}${suffix}`, { force: true });
  }
}

async function copy(path: string, partial: string, onProgress: (share: number) => void): Promise<void> {
  const source = new Connection(path, { readOnly: true });
  try {
    checkVersion(source, path);
    if (versionOf(source) === 0) throw new HistoryError('refused', `there is no history at ${path} yet`);
    // While this transaction is open, the source stays as of this moment. Without it, each commit would start the copy anew.
    await source.readAcross((db) =>
      copyPages(db, partial, {
        rate: PAGES_PER_STEP,
        progress: ({ totalPages, remainingPages }) =>
          onProgress(totalPages === 0 ? 1 : 1 - remainingPages / totalPages),
      }),
    );
  } finally {
    source.close();
  }
}

/** @throws HistoryError `damaged` */
function verify(partial: string): void {
  const db = new DatabaseSync(partial);
  try {
    // The copy says of itself that it has a log.
    db.exec('PRAGMA journal_mode = DELETE');
    const problems = db.prepare('PRAGMA quick_check(1)').all();
    const [first] = problems.map((row) => Object.values(row)[0]);
    if (first !== 'ok') throw new HistoryError('damaged', `the history is damaged: ${first}`);
  } finally {
    db.close();
  }
}

/** Gives the copy its name, on the disk, unless another file has it meanwhile. */
async function publish(partial: string, file: string): Promise<void> {
  const handle = await open(partial, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await link(partial, file).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' || existsSync(file)) throw alreadyThere(file);
    // A file system without links.
    await rename(partial, file);
  });
}

function alreadyThere(file: string): HistoryError {
  return new HistoryError('refused', `${file} exists already, and is not overwritten`);
}
