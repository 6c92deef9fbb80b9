/** Lines at the end of a file that people edit, too. */
import { access, constants, type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { whileLocked } from '../../lib/file-lock.ts';
import { lockOf } from './rewrite-file.ts';

type Check = (text: string, before: string) => void;

/**
 * Makes the file if it is not there, for its owner alone. What is there stays, and what others append at the same time.
 * @param check of the text as it will be, and as it was, throws if it is wrong; nothing is written then
 * @throws PulselaneError `environment` if it cannot be read or written; whatever `check` throws
 */
export async function appendLines(path: string, clock: Clock, lines: readonly string[], check: Check): Promise<void> {
  try {
    // Made first, since only a file that is there has a path without links, and by that a lock.
    await (await open(path, 'a', 0o600)).close();
    const target = await realpath(path);
    const work = async () => {
      while (!(await isAppended(target, lines, check)));
    };
    // Where no file can be made there can be no lock; a line is appended whole all the same.
    await ((await mayWrite(dirname(target))) ? whileLocked(lockOf(target), clock, work) : work());
  } catch (error) {
    if (error instanceof PulselaneError) throw error;
    throw new PulselaneError('environment', `${path} cannot be written: ${messageOf(error)}`);
  }
}

function mayWrite(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** Not if the file was replaced meanwhile, as editors do: the new one lacks the lines. */
async function isAppended(path: string, lines: readonly string[], check: Check): Promise<boolean> {
  const file = await open(path, 'a+', 0o600);
  try {
    await append(file, lines, check);
    return (await stat(path)).ino === (await file.stat()).ino;
  } finally {
    await file.close();
  }
}

async function append(file: FileHandle, lines: readonly string[], check: Check): Promise<void> {
  const before = (await file.readFile()).toString();
  // Its last line may have been typed without an end.
  const added = (before === '' || before.endsWith('\n') ? '' : '\n') + lines.map((line) => `${line}\n`).join('');
  check(before + added, before);
  await file.writeFile(added);
  await file.sync();
}
