/**
 * What a master is shown by files that may change while it runs: its certificate, and the tokens of workers. Read at the
 * start, where a wrong one is an error, and again by `reload`, where it is a line in the log and the old one stays.
 */
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { parseWorkerTokens, type WorkerToken } from '../model/identity.ts';

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
    // Cut short by accident it would throw out the whole fleet; whoever wants nobody in stops the master.
    throw new PulselaneError('bad_setting', `${setting}: expected at least one token; ${ADVICE}`);
  }
  return tokens;
}

/** Whether workers have to say who they are. */
export function needsIdentity({ workerAuth, workerTokensFile, tlsClientCa }: MasterConfig): boolean {
  return workerAuth === 'auto' && (workerTokensFile !== undefined || tlsClientCa !== undefined);
}

/** Whether there is anything that `reload` would read again. */
export function hasReloadableFiles(config: MasterConfig): boolean {
  const { tlsCert, introduceTlsCa, workerTokensFile, apiTokensFile } = config;
  return [tlsCert, introduceTlsCa, workerTokensFile, apiTokensFile].some((path) => path !== undefined);
}

/** Something that is read from files, and put in force anew. */
export interface Reloadable {
  /** For the log. */
  readonly name: string;
  /**
   * Reads and checks first, and changes something only then. Rejects if the files are wrong.
   * @returns what has changed, for people; undefined if there is nothing to say
   */
  readonly reload: () => Promise<string | undefined>;
}

/** Each by itself: a wrong certificate must not keep a token from being taken back. Never rejects. */
export async function reloadAll(reloadables: readonly Reloadable[], logger: Logger): Promise<void> {
  for (const { name, reload } of reloadables) {
    try {
      const changes = await reload();
      logger.info(`${name}: read again${changes === undefined ? '' : `: ${changes}`}`);
    } catch (error) {
      logger.error(`${name}: what was in force stays so: ${messageOf(error)}`);
    }
  }
}
