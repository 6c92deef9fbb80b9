/** A new file for a secret, that its owner alone can read. */
import { open, rm } from 'node:fs/promises';
import { messageOf, PulselaneError } from '../../lib/errors.ts';

/**
 * Makes the file before `work`, so that nothing is done for a secret that could not be kept, and writes it after; if
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
    await work();
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error instanceof PulselaneError
      ? error
      : new PulselaneError('environment', `${path} cannot be written: ${messageOf(error)}`);
  } finally {
    await file.close();
  }
}
