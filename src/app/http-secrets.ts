/** What the HTTP side needs to know of secrets, read from settings and files: at the start, and again on SIGHUP. */
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import type { HttpSecrets, HttpTls } from '../http/messages.ts';
import { PulselaneError } from '../lib/errors.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { type ApiToken, checkOnce, parseApiTokens } from '../lib/tokens.ts';
import { sessionKeyIn } from './session-key.ts';

/** @throws PulselaneError `environment` if the key of the sessions cannot be kept */
export async function httpSecretsOf(
  config: Pick<MasterConfig, 'dataDir' | 'httpClientCert'>,
  tokens: readonly ApiToken[],
  tls: HttpTls | undefined,
  context: Parameters<typeof sessionKeyIn>[1],
): Promise<HttpSecrets> {
  return {
    tokens,
    // Without tokens there are no sessions, and the data directory need not hold one file more.
    sessionKey: tokens.length === 0 ? new Uint8Array() : await sessionKeyIn(config.dataDir, context),
    tls: tls === undefined ? undefined : httpTlsOf(tls, config),
  };
}

export function httpTlsOf(
  { cert, key, clientCa }: HttpTls,
  { httpClientCert }: Pick<MasterConfig, 'httpClientCert'>,
): HttpTls {
  return { cert, key, clientCa: httpClientCert === 'off' ? undefined : clientCa };
}

/**
 * Those of API_TOKENS and those of API_TOKENS_FILE, together.
 * @throws PulselaneError `bad_setting`, naming the setting, or the file and the line
 */
export async function readApiTokens({
  apiTokens = [],
  apiTokensFile,
  names,
}: Pick<MasterConfig, 'apiTokens' | 'apiTokensFile' | 'names'>): Promise<readonly ApiToken[]> {
  if (apiTokensFile === undefined) return apiTokens;
  const setting = settingText(names, 'API_TOKENS_FILE', apiTokensFile);
  const ofFile = parseApiTokens(await readSettingFile(setting, apiTokensFile), setting);
  if (ofFile.length + apiTokens.length === 0) {
    // Somebody who names a file wants to be asked; cut short by accident it must not open the door, least of all on SIGHUP.
    throw new PulselaneError(
      'bad_setting',
      `${setting}: expected at least one token; "pulselane token create" makes one`,
    );
  }
  const tokens = [...apiTokens, ...ofFile];
  checkOnce(tokens, `API_TOKENS and ${setting}`);
  return tokens;
}
