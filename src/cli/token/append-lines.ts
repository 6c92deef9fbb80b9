/** Lines at the end of a file that people edit, too. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { messageOf, PulselaneError } from '../../lib/errors.ts';

/**
 * Makes the file if it is not there, for its owner alone. What is there stays, and whoever appends at the same time.
 * @param check throws if the file, as it will be, is wrong; nothing is written then
 * @throws PulselaneError `environment` if it cannot be read or written; whatever `check` throws
 */
export async function appendLines(
  path: string,
  lines: readonly string[],
  check: (text: string) => void,
): Promise<void> {
  try {
    let isWritten = false;
    while (!isWritten) {
      const file = await open(path, 'a+', 0o600);
      try {
        await append(file, lines, check);
        // Replaced meanwhile, as "token revoke" does, it has the lines no more.
        isWritten = (await stat(path)).ino === (await file.stat()).ino;
      } finally {
        await file.close();
      }
    }
  } catch (error) {
    if (error instanceof PulselaneError) throw error;
    throw new PulselaneError('environment', `${path} cannot be written: ${messageOf(error)}`);
  }
}

async function append(file: FileHandle, lines: readonly string[], check: (text: string) => void): Promise<void> {
  const before = (await file.readFile()).toString();
  // Its last line may have been typed without an end.
  const added = (before === '' || before.endsWith('\n') ? '' : '\n') + lines.map((line) => `${line}\n`).join('');
  check(before + added);
  await file.writeFile(added);
  await file.sync();
}
