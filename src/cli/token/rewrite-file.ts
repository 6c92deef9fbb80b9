/** A file that people and other commands write, too, changed as a whole. */
import { statSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { areSameMarks, markOf } from '../../lib/file-mark.ts';
import { replaceFile } from '../../lib/replace-file.ts';

/** Somebody else wrote it meanwhile: a second time is rare, a third one is no accident. */
const MAX_TRIES = 3;

/**
 * Whoever reads it finds the old text or the new one, and it keeps its mode and owner; a link goes on pointing to it.
 * @param edit of the text as it is then; may be asked again if the file changes meanwhile
 * @returns what `edit` returned
 * @throws PulselaneError `environment` if it cannot be read or written; whatever `edit` throws
 */
export async function rewriteFile<T extends { readonly text: string }>(
  path: string,
  edit: (text: string) => T,
): Promise<T> {
  try {
    const target = await realpath(path);
    for (let tries = 1; ; tries++) {
      const before = await stat(target);
      const mark = markOf(before);
      const change = edit(await readFile(target, 'utf8'));
      let isMine = true;
      const mayReplace = () => {
        isMine = areSameMarks(markOf(statSync(target)), mark);
        return isMine;
      };
      try {
        await replaceFile(target, [change.text], { like: before, mayReplace });
        return change;
      } catch (error) {
        if (isMine || tries === MAX_TRIES) throw error;
      }
    }
  } catch (error) {
    if (error instanceof PulselaneError) throw error;
    throw new PulselaneError('environment', `${path} cannot be changed: ${messageOf(error)}`);
  }
}
