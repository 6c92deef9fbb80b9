/** The prompt's history, kept in the data directory. It is a convenience: a failure is worth a debug line, no more. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import { makeDirectory } from '../../lib/make-directory.ts';

function pathIn(dataDir: string): string {
  return join(dataDir, 'prompt-history');
}

/** Newest first. */
export async function readHistory(dataDir: string, logger: Logger): Promise<string[]> {
  try {
    const text = await readFile(pathIn(dataDir), 'utf8');
    return text.split('\n').filter((line) => line !== '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logFailure('read', error, logger);
    return [];
  }
}

export async function writeHistory(dataDir: string, lines: readonly string[], logger: Logger): Promise<void> {
  try {
    await makeDirectory(dataDir);
    // Worker ids and addresses are nobody else's business.
    await writeFile(pathIn(dataDir), lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  } catch (error) {
    logFailure('written', error, logger);
  }
}

function logFailure(what: string, error: unknown, logger: Logger): void {
  logger.debug({ err: messageOf(error) }, `the prompt's history was not ${what}`);
}
