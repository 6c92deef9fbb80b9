/**
 * Replaces a file atomically: readers find the old or the new content, even after a power failure. A full disk is an
 * error, not a shorter file.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type FileMark, markOf } from './file-mark.ts';

/** Owner and permissions of a file. */
export interface FileRights {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ReplaceOptions {
  readonly mode?: number;
  /** The new file gets these rights before anything is written. */
  readonly like?: FileRights;
  /** Called last, before the new file replaces the old one: whether the path still belongs to the writer. */
  readonly mayReplace?: () => boolean;
  /**
   * People and other programs keep files beside it: the unfinished file gets a random name, and none that is there is
   * removed. Without it the name with `.new` is taken to be the writer's alone, as in a data directory.
   */
  readonly isAmongOthers?: boolean;
}

/**
 * One writer at a time. A file that an earlier writer left unfinished is removed, not overwritten, since a writer that
 * was stopped may still write into it; but not where the file is among others.
 * @returns the mark of the new file
 * @throws as `open`, `write` and `rename` do, or if it may not replace the file any more
 */
export async function replaceFile(
  path: string,
  parts: Iterable<string> | AsyncIterable<string>,
  { mode = 0o666, like, mayReplace = () => true, isAmongOthers = false }: ReplaceOptions = {},
): Promise<FileMark> {
  const unfinished = isAmongOthers ? `${path}.${randomUUID()}.new` : `${path}.new`;
  if (!isAmongOthers) await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', like === undefined ? mode : 0o600);
  let mark: FileMark | undefined;
  try {
    try {
      mark = markOf(await file.stat());
      if (like !== undefined) await giveRights(file, like);
      await file.writeFile(parts);
      await file.sync();
      mark = markOf(await file.stat());
    } finally {
      await file.close();
    }
    if (!(await isThere(unfinished, mark)) || !mayReplace()) throw new Error(`${path} is another process’s now`);
    await rename(unfinished, path);
  } catch (error) {
    // It may be what fills the disk. A failure here must not hide the failure of the write.
    if (await isThere(unfinished, mark).catch(() => true)) await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
  return mark;
}

/** @throws as `chown` does, if this user may not change the owner */
async function giveRights(file: FileHandle, { mode, uid, gid }: FileRights): Promise<void> {
  const now = await file.stat();
  if (now.uid !== uid || now.gid !== gid) await file.chown(uid, gid);
  // Last, since chown clears permission bits.
  await file.chmod(mode & 0o777);
}

/** Whether the same file is at the path, not one that another process has put there since. @throws as `stat` does */
async function isThere(path: string, mark: FileMark | undefined): Promise<boolean> {
  return mark === undefined || (await stat(path)).ino === mark.ino;
}

/** Makes a new name in the folder survive a power failure, too. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // Not every system can open or sync directories. The content is safe.
  }
}
