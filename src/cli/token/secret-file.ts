/** A new file for a secret, that its owner alone can read. */
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { syncFolder } from '../../lib/replace-file.ts';

/**
 * The secret is safe on the disk before `work` begins, so that nothing is done for a secret that could not be kept; if
 * `work` fails the file is gone again. One that is there already is left alone: it may be the only copy of another secret.
 * @throws PulselaneError `environment` if it is there already, or cannot be written; whatever `work` throws
 */
export async function writeSecret(path: string, text: string, work: () => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new PulselaneError(
      'environment',
      error.code === 'EEXIST'
        ? `${path} is there already: expected a new file`
        : `${path} cannot be written: ${messageOf(error)}`,
    );
  });
  try {
    await file.writeFile(text);
    await file.sync();
    await syncFolder(dirname(path));
    await work();
  } catch (error) {
    await rm(path, { force: true });
    throw error instanceof PulselaneError
      ? error
      : new PulselaneError('environment', `${path} cannot be written: ${messageOf(error)}`);
  } finally {
    await file.close();
  }
}
