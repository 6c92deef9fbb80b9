/** The secret that seals browsers' sessions: kept in the data directory, so that a restart ends none of them. */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PulselaneError } from '../lib/errors.ts';

const FILE = 'session-key';
const KEY_BYTES = 32;

/** Makes it where there is none. @throws PulselaneError `environment`, naming the file */
export async function sessionKeyIn(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, FILE);
  try {
    const kept = await keptKey(path);
    if (kept?.length === KEY_BYTES) return kept;
    const key = randomBytes(KEY_BYTES);
    await writeFile(path, `${key.toString('base64url')}\n`, { mode: 0o600 });
    // One that was there keeps the rights that it had.
    await chmod(path, 0o600);
    return key;
  } catch (error) {
    throw new PulselaneError('environment', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Whatever is damaged is as good as lost: browsers show their token once more. */
async function keptKey(path: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from((await readFile(path, 'utf8')).trim(), 'base64url');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
