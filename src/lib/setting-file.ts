/** Reads files named by settings (certificates, keys, tokens), with clear errors. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { messageOf, PulselaneError } from './errors.ts';

/**
 * @param setting how the user wrote it, with the path: `TLS_CERT=a.pem`, `--tls-cert a.pem`
 * @param advice ends the sentence if the file cannot be read
 * @throws PulselaneError `bad_setting`, naming the setting and why the file cannot be read
 */
export async function readSettingFile(setting: string, path: string, advice = ''): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(setting, error, advice);
  }
}

/** The same, synchronously. @throws PulselaneError as {@link readSettingFile} */
export function readSettingFileSync(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(setting, error, '');
  }
}

/** Whether it could be read, without reading it. @throws PulselaneError as {@link readSettingFile} */
export function checkSettingFile(setting: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
  } catch (error) {
    throw unreadable(setting, error, '');
  }
}

/** Causes that a user can fix, without the system's own text, which repeats the path. */
const CAUSES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'too many symbolic links',
};

/** Why a file cannot be used, for a message that names it. */
export function fileCauseText(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  return CAUSES[code] ?? messageOf(error);
}

function unreadable(setting: string, error: unknown, advice: string): PulselaneError {
  return new PulselaneError('bad_setting', `${setting}: cannot be read: ${fileCauseText(error)}${advice}`);
}
