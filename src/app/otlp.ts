/** OTLP export as the settings say. */
import { hostname } from 'node:os';
import type { MasterConfig } from '../config/options.ts';
import { otlpHeaders as headersKind } from '../config/otlp-kinds.ts';
import { otlpProtocolOf } from '../config/otlp-rules.ts';
import { shownUrl } from '../config/receiver-kinds.ts';
import { hasAuthorization } from '../config/receiver-rules.ts';
import { settingText } from '../config/setting-names.ts';
import { allOrProblems, PulselaneError } from '../lib/errors.ts';
import type { OtlpSettings } from '../metrics/export/otlp/settings.ts';
import { authorizationOf, certificatesIn, parsedFile, secretIn, tokenIn } from './receiver-files.ts';

/**
 * @returns undefined if it is not set
 * @throws PulselaneError `bad_setting`, naming the setting, without a secret
 */
export async function otlpOf(config: MasterConfig): Promise<OtlpSettings | undefined> {
  const { otlpEndpoint, otlpTokenFile, otlpHeadersFile, names } = config;
  if (otlpEndpoint === undefined) return undefined;
  const [tokenInFile, headersInFile, ca] = await allOrProblems([
    tokenIn(config, 'OTLP_TOKEN_FILE', otlpTokenFile),
    secretIn(config, 'OTLP_HEADERS_FILE', otlpHeadersFile),
    certificatesIn(config, 'OTLP_TLS_CA', config.otlpTlsCa),
  ]);
  const authorization = authorizationOf({ user: '', password: '', token: config.otlpToken ?? tokenInFile });
  const headersSetting = settingText(names, 'OTLP_HEADERS_FILE', otlpHeadersFile);
  const headers =
    headersInFile === undefined ? (config.otlpHeaders ?? {}) : parsedFile(headersKind, headersSetting, headersInFile);
  if (authorization !== undefined && hasAuthorization(headers)) {
    throw new PulselaneError(
      'bad_setting',
      `${headersSetting}: expected no Authorization, since another setting says how to authenticate`,
    );
  }
  return {
    kind: 'otlp',
    protocol: otlpProtocolOf(config),
    endpoint: otlpEndpoint,
    place: shownUrl(otlpEndpoint),
    signals: config.otlpSignals,
    compression: config.otlpCompression,
    intervalMs: config.otlpIntervalMs,
    authorization,
    headers,
    ca,
    resourceAttributes: config.otlpResourceAttributes,
    masterInstance: `${hostname()}:${config.grpcAddress.port}`,
    conventions: config.otlpSemanticConventions,
    families: config.otlpFamilies,
  };
}
