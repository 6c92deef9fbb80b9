/** Which files of tokens a command is about. */
import { readFile } from 'node:fs/promises';
import { tokenOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { fileCauseText } from '../../lib/setting-file.ts';
import type { FileKind } from './token-lines.ts';

const SETTINGS = { worker: 'WORKER_TOKENS_FILE', api: 'API_TOKENS_FILE' } as const satisfies Record<FileKind, string>;

/** The setting that names the file of that kind, and the file, if the setting or the flag names one. */
export function fileFor(kind: FileKind, flag: string | undefined): { setting: string; file: string | undefined } {
  const settings = resolveOptions(tokenOptions, processSources({}));
  return {
    setting: SETTINGS[kind],
    file: flag ?? (kind === 'api' ? settings.apiTokensFile : settings.workerTokensFile),
  };
}

/** The same where there has to be one. @throws PulselaneError `invalid_argument` */
export function neededFileFor(kind: FileKind, flag: string | undefined): string {
  const { setting, file } = fileFor(kind, flag);
  if (file !== undefined) return file;
  throw new PulselaneError('invalid_argument', `expected --tokens-file <file>, or ${setting} set`);
}

/** All that are set, or the one of the flag. @throws PulselaneError `invalid_argument` if there is none */
export function allFiles(flag: string | undefined): string[] {
  const files = flag === undefined ? [fileFor('worker', undefined).file, fileFor('api', undefined).file] : [flag];
  const set = files.filter((file) => file !== undefined);
  if (set.length > 0) return set;
  const settings = `${SETTINGS.worker} or ${SETTINGS.api}`;
  throw new PulselaneError('invalid_argument', `expected --tokens-file <file>, or ${settings} set`);
}

/** @throws PulselaneError `environment` */
export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PulselaneError('environment', `${path} cannot be read: ${fileCauseText(error)}`);
  }
}
