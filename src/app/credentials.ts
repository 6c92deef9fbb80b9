/**
 * Reads credentials from files that may change while the master runs: its certificate and the workers' tokens. At the start
 * a wrong file is an error; on `reload` it is only logged, and the old credentials stay active.
 */
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { parseWorkerTokens, type WorkerToken } from '../model/identity.ts';
import { hasExportFiles } from './exports.ts';

const ADVICE = '"pulselane token create" makes one';

/** @throws PulselaneError `bad_setting`, naming the setting, the file and the line */
export async function readWorkerTokens({
  workerTokensFile: path,
  names,
}: Pick<MasterConfig, 'workerTokensFile' | 'names'>): Promise<WorkerToken[]> {
  if (path === undefined) return [];
  const setting = settingText(names, 'WORKER_TOKENS_FILE', path);
  const tokens = parseWorkerTokens(await readSettingFile(setting, path, `; ${ADVICE}`), setting);
  if (tokens.length === 0) {
    // A file emptied by accident would disconnect the whole fleet. To stop all workers, stop the master.
    throw new PulselaneError('bad_setting', `${setting}: expected at least one token; ${ADVICE}`);
  }
  return tokens;
}

/** Whether workers must authenticate. */
export function needsIdentity({ workerAuth, workerTokensFile, tlsClientCa }: MasterConfig): boolean {
  return workerAuth === 'auto' && (workerTokensFile !== undefined || tlsClientCa !== undefined);
}

/** Whether there are any files for `reload` to read. */
export function hasReloadableFiles(config: MasterConfig): boolean {
  const { tlsCert, introduceTlsCa, workerTokensFile, apiTokensFile, alerts, alertRules } = config;
  const paths = [tlsCert, introduceTlsCa, workerTokensFile, apiTokensFile, alerts === 'on' ? alertRules : undefined];
  return paths.some((path) => path !== undefined) || hasExportFiles(config);
}

/** Credentials that can be read again from their files. */
export interface Reloadable {
  /** For the log. */
  readonly name: string;
  /**
   * Reads and checks everything before it changes anything. Rejects if the files are wrong, and with `unavailable` if it is not known
   * whether they are active.
   * @returns what has changed, for people; undefined if there is nothing to say
   */
  readonly reload: () => Promise<string | undefined>;
}

/** Reloads each independently: a wrong certificate must not keep a token from being removed. Never rejects. */
export async function reloadAll(reloadables: readonly Reloadable[], logger: Logger): Promise<void> {
  for (const { name, reload } of reloadables) {
    try {
      const changes = await reload();
      logger.info(`reloaded ${name}${changes === undefined ? '' : `: ${changes}`}`);
    } catch (error) {
      // Whoever was asked has not answered: which ones are active is not known.
      const isUnknown = error instanceof PulselaneError && error.code === 'unavailable';
      const result = isUnknown
        ? `cannot say whether a reload of ${name} was carried out`
        : `cannot reload ${name}, so the old ones stay active`;
      logger.error(`${result}: ${messageOf(error)}`);
    }
  }
}
