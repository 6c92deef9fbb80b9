/** Remote write as the settings say. */
import type { MasterConfig } from '../config/options.ts';
import { requestHeaders, shownUrl } from '../config/receiver-kinds.ts';
import { hasAuthorization } from '../config/receiver-rules.ts';
import { settingText } from '../config/setting-names.ts';
import { allOrProblems, PulselaneError } from '../lib/errors.ts';
import type { RemoteWriteSettings } from '../metrics/export/remote-write/settings.ts';
import { authorizationOf, certificatesIn, parsedFile, secretIn, tokenIn } from './receiver-files.ts';

/**
 * @returns undefined if it is not set
 * @throws PulselaneError `bad_setting`, naming the setting, without a secret
 */
export async function remoteWriteOf(config: MasterConfig): Promise<RemoteWriteSettings | undefined> {
  const { remoteWriteUrl, remoteWriteHeaders, names } = config;
  if (remoteWriteUrl === undefined) return undefined;
  const { remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa } = config;
  const [passwordInFile, tokenInFile, headersInFile, ca] = await allOrProblems([
    secretIn(config, 'REMOTE_WRITE_PASSWORD_FILE', remoteWritePasswordFile),
    tokenIn(config, 'REMOTE_WRITE_TOKEN_FILE', remoteWriteTokenFile),
    secretIn(config, 'REMOTE_WRITE_HEADERS_FILE', remoteWriteHeadersFile),
    certificatesIn(config, 'REMOTE_WRITE_TLS_CA', remoteWriteTlsCa),
  ]);
  const url = new URL(remoteWriteUrl);
  const credentials = {
    user: config.remoteWriteUser ?? decodeURIComponent(url.username),
    password: config.remoteWritePassword ?? passwordInFile ?? decodeURIComponent(url.password),
    token: config.remoteWriteToken ?? tokenInFile,
  };
  url.username = '';
  url.password = '';
  const authorization = authorizationOf(credentials);
  const headersSetting = settingText(names, 'REMOTE_WRITE_HEADERS_FILE', remoteWriteHeadersFile);
  const headers =
    headersInFile === undefined
      ? (remoteWriteHeaders ?? {})
      : parsedFile(requestHeaders, headersSetting, headersInFile);
  if (authorization !== undefined && hasAuthorization(headers)) {
    throw new PulselaneError(
      'bad_setting',
      `${headersSetting}: expected no Authorization, since another setting says how to authenticate`,
    );
  }
  return {
    kind: 'remote_write',
    url: url.href,
    place: shownUrl(url.href),
    protocol: config.remoteWriteVersion === '1.0' ? '1.0' : '2.0',
    version: config.remoteWriteVersion,
    intervalMs: config.remoteWriteIntervalMs,
    authorization,
    headers,
    ca,
    externalLabels: config.remoteWriteLabels,
    families: config.remoteWriteFamilies,
  };
}
