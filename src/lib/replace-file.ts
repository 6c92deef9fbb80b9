/**
 * A file replaced as a whole: whoever looks, also after a power cut, finds the old content or the new one. A disk that
 * fills up on the way is an error and not a shorter file.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * One writer at a time: what an earlier one left unfinished is overwritten.
 * @returns the size of what was written, in bytes
 * @throws as `open`, `write` and `rename` do
 */
export async function replaceFile(
  path: string,
  parts: Iterable<string> | AsyncIterable<string>,
  mode = 0o666,
): Promise<number> {
  const unfinished = `${path}.new`;
  let sizeBytes: number;
  try {
    const file = await open(unfinished, 'w', mode);
    try {
      await file.writeFile(parts);
      await file.sync();
      sizeBytes = (await file.stat()).size;
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    // It may be what fills the disk. What made the write fail is worth more than a second failure.
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
  return sizeBytes;
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
