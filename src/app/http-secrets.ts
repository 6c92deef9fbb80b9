/** Reads the secrets of the HTTP side from settings and files: at the start, and again on SIGHUP. */
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import type { WorkerCredential } from '../http/access/worker-credentials.ts';
import type { HttpSecrets, HttpTls } from '../http/messages.ts';
import { PulselaneError } from '../lib/errors.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { type ApiToken, checkOnce, parseApiTokens } from '../lib/tokens.ts';
import type { WorkerToken } from '../model/identity.ts';
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
    // Without tokens there are no sessions, so no key file is needed.
    sessionKey: tokens.length === 0 ? new Uint8Array() : await sessionKeyIn(config.dataDir, context),
    tls: tls === undefined ? undefined : httpTlsOf(tls, config),
  };
}

/** What the HTTP thread needs of the tokens of workers. */
export function workerCredentialsOf(tokens: readonly WorkerToken[]): readonly WorkerCredential[] {
  return tokens.map(({ hash, name, expiresUnixMs }) => ({ hash, name, expiresUnixMs }));
}

export function httpTlsOf(
  { cert, key, clientCa }: HttpTls,
  { httpClientCert }: Pick<MasterConfig, 'httpClientCert'>,
): HttpTls {
  return { cert, key, clientCa: httpClientCert === 'off' ? undefined : clientCa };
}

/**
 * The tokens of API_TOKENS and API_TOKENS_FILE together.
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
    // Whoever sets a file wants authentication; a file emptied by accident must not turn it off, least of all on SIGHUP.
    throw new PulselaneError(
      'bad_setting',
      `${setting}: expected at least one token; "pulselane token create" makes one`,
    );
  }
  const tokens = [...apiTokens, ...ofFile];
  checkOnce(tokens, `API_TOKENS and ${setting}`);
  return tokens;
}
