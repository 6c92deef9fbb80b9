/**
 * A file replaced as a whole: whoever looks, also after a power cut, finds the old content or the new one. A disk that
 * fills up on the way is an error and not a shorter file.
 */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type FileMark, markOf } from './file-mark.ts';

/** Whose a file is, and who may use it. */
export interface FileRights {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ReplaceOptions {
  readonly mode?: number;
  /** The new file gets these rights in any case, before anything is written into it. */
  readonly like?: FileRights;
  /** Asked last, before the new file takes the place of the old one: whether the path is still the writer's. */
  readonly mayReplace?: () => boolean;
}

/**
 * One writer at a time: what an earlier one left unfinished is removed, not written into, since one that stood still may
 * write into it once more.
 * @returns how the file was left
 * @throws as `open`, `write` and `rename` do, or if it may not replace the file any more
 */
export async function replaceFile(
  path: string,
  parts: Iterable<string> | AsyncIterable<string>,
  { mode = 0o666, like, mayReplace = () => true }: ReplaceOptions = {},
): Promise<FileMark> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
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
    // It may be what fills the disk. What made the write fail is worth more than a second failure.
    if (await isThere(unfinished, mark).catch(() => true)) await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
  return mark;
}

/** @throws as `chown` does, if this user may not give a file to that one */
async function giveRights(file: FileHandle, { mode, uid, gid }: FileRights): Promise<void> {
  const now = await file.stat();
  if (now.uid !== uid || now.gid !== gid) await file.chown(uid, gid);
  // Last, since a change of the owner takes rights away.
  await file.chmod(mode & 0o777);
}

/** Whether the very file is at the path, and not one that another process has put there since. @throws as `stat` does */
async function isThere(path: string, mark: FileMark | undefined): Promise<boolean> {
  return mark === undefined || (await stat(path)).ino === mark.ino;
}

/** So that the new name outlives a power cut, too. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // Not every system opens folders or syncs them. The content is safe as it is.
  }
}
