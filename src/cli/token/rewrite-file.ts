/** A file that people and other commands write, too, changed as a whole. */
import { readFileSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { whileLocked } from '../../lib/file-lock.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import { fileCauseText } from '../../lib/setting-file.ts';

/** Somebody wrote it by hand meanwhile: a second time is rare, a third one is no accident. */
const MAX_TRIES = 3;

/**
 * Whoever reads it finds the old text or the new one, and it keeps its mode and owner; a link goes on pointing to it.
 * Other commands wait for their turn. An editor does not: what a person saved before the new text is there is kept.
 * @param edit of the text as it is then; may be asked again if the file changes meanwhile
 * @returns what `edit` returned
 * @throws PulselaneError `environment` if it cannot be read or written, and it has its old text then; whatever `edit`
 * throws
 */
export async function rewriteFile<T extends { readonly text: string }>(
  path: string,
  clock: Clock,
  edit: (text: string) => T,
): Promise<T> {
  try {
    const target = await realpath(path);
    return await whileLocked(lockOf(target), clock, () => rewrite(target, edit));
  } catch (error) {
    if (error instanceof PulselaneError) throw error;
    throw new PulselaneError('environment', `${path} cannot be changed: ${fileCauseText(error)}`);
  }
}

/** The lock of whoever changes the file. @param target the file itself, not a link to it */
export function lockOf(target: string): string {
  return `${target}.lock`;
}

async function rewrite<T extends { readonly text: string }>(target: string, edit: (text: string) => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    const like = await stat(target);
    const before = await readFile(target);
    const change = edit(before.toString());
    let isMine = true;
    // The bytes themselves: inode numbers are used again, and times are coarse.
    const mayReplace = () => {
      isMine = readFileSync(target).equals(before);
      return isMine;
    };
    try {
      await replaceFile(target, [change.text], { like, mayReplace, isAmongOthers: true });
      return change;
    } catch (error) {
      if (isMine || tries === MAX_TRIES) throw error;
    }
  }
}
