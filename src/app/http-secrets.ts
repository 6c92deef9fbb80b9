/** What the HTTP side needs to know of secrets, read from settings and files: at the start, and again on SIGHUP. */
import { readFile } from 'node:fs/promises';
import type { MasterConfig } from '../config/options.ts';
import type { HttpSecrets, HttpTls } from '../http/messages.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { type ApiToken, checkOnce, parseApiTokens } from '../lib/tokens.ts';
import { sessionKeyIn } from './session-key.ts';

type TokenSettings = Pick<MasterConfig, 'apiTokens' | 'apiTokensFile'>;

/** @throws PulselaneError `bad_setting`, naming the setting or the line, or `environment` */
export async function readHttpSecrets(
  config: TokenSettings & Pick<MasterConfig, 'dataDir' | 'httpClientCert'>,
  tls: HttpTls | undefined,
  context: Parameters<typeof sessionKeyIn>[1],
): Promise<HttpSecrets> {
  const tokens = await readApiTokens(config);
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
export async function readApiTokens({ apiTokens = [], apiTokensFile }: TokenSettings): Promise<readonly ApiToken[]> {
  if (apiTokensFile === undefined) return apiTokens;
  const ofFile = parseApiTokens(await textOf(apiTokensFile), `API_TOKENS_FILE=${apiTokensFile}`);
  if (ofFile.length + apiTokens.length === 0) {
    // Somebody who names a file wants to be asked; cut short by accident it must not open the door, least of all on SIGHUP.
    throw new PulselaneError(
      'bad_setting',
      `API_TOKENS_FILE=${apiTokensFile}: expected at least one token; "pulselane token create" makes one`,
    );
  }
  const tokens = [...apiTokens, ...ofFile];
  checkOnce(tokens, `API_TOKENS and API_TOKENS_FILE=${apiTokensFile}`);
  return tokens;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PulselaneError('bad_setting', `API_TOKENS_FILE=${path}: cannot be read: ${messageOf(error)}`);
  }
}
