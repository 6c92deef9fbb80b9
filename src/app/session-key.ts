/** The secret that seals browser sessions: kept in the data directory, so that sessions survive a restart. */
import { randomBytes } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { copyAside } from '../lib/damaged-file.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { replaceFile } from '../lib/replace-file.ts';

const FILE = 'session-key';
const KEY_BYTES = 32;
/** Only the owner may read and write it. */
const MODE = 0o600;

/** Reads the key, or creates it. @throws PulselaneError `environment`, naming the file */
export async function sessionKeyIn(
  dataDir: string,
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
): Promise<Uint8Array> {
  const path = join(dataDir, FILE);
  try {
    const text = await keptText(path);
    const kept = text === undefined ? undefined : Buffer.from(text.trim(), 'base64url');
    if (kept?.length === KEY_BYTES) return kept;
    if (text !== undefined) {
      const aside = await copyAside(path, clock);
      logger.error(
        { file: path, aside, bytes: text.length },
        'the session key is damaged: a copy was set aside and a new key made; browsers must log in again',
      );
    }
    const key = randomBytes(KEY_BYTES);
    await keepSessionKey(dataDir, key);
    return key;
  } catch (error) {
    throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws as `replaceFile` does */
export async function keepSessionKey(dataDir: string, key: Uint8Array): Promise<void> {
  const path = join(dataDir, FILE);
  await replaceFile(path, [`${Buffer.from(key).toString('base64url')}\n`], { mode: MODE });
}

async function keptText(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    // The file may have been created by hand with other permissions.
    await chmod(path, MODE);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
