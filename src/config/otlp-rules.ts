/** Rules about the settings of OTLP export. */
import type { MasterConfig } from './options.ts';
import { atMostOne, hasAuthorization, uselessWithout } from './receiver-rules.ts';
import type { Rule } from './rule.ts';
import { secretText, settingText } from './setting-names.ts';

/** The port of OTLP over gRPC. */
const GRPC_PORT = '4317';

/** `auto`: by the port of the endpoint. */
export function otlpProtocolOf({
  otlpProtocol,
  otlpEndpoint,
}: Pick<MasterConfig, 'otlpProtocol' | 'otlpEndpoint'>): 'grpc' | 'http/protobuf' {
  if (otlpProtocol !== 'auto') return otlpProtocol;
  return otlpEndpoint !== undefined && new URL(otlpEndpoint).port === GRPC_PORT ? 'grpc' : 'http/protobuf';
}

export const otlpRules: readonly Rule<MasterConfig>[] = [
  ...uselessWithout(
    ['otlpEndpoint', 'OTLP_ENDPOINT'],
    [
      ['otlpToken', 'OTLP_TOKEN'],
      ['otlpTokenFile', 'OTLP_TOKEN_FILE'],
      ['otlpHeaders', 'OTLP_HEADERS'],
      ['otlpHeadersFile', 'OTLP_HEADERS_FILE'],
      ['otlpTlsCa', 'OTLP_TLS_CA'],
    ],
  ),
  atMostOne(['otlpToken', 'OTLP_TOKEN'], ['otlpTokenFile', 'OTLP_TOKEN_FILE']),
  atMostOne(['otlpHeaders', 'OTLP_HEADERS'], ['otlpHeadersFile', 'OTLP_HEADERS_FILE']),
  {
    about: ['otlpToken', 'otlpTokenFile', 'otlpHeaders'],
    problem({ otlpToken, otlpTokenFile, otlpHeaders }, names) {
      if ((otlpToken === undefined && otlpTokenFile === undefined) || !hasAuthorization(otlpHeaders)) return undefined;
      const token = secretText(names, otlpToken === undefined ? 'OTLP_TOKEN_FILE' : 'OTLP_TOKEN');
      return `${token} and Authorization in ${secretText(names, 'OTLP_HEADERS')}: expected only one way to authenticate`;
    },
  },
  {
    about: ['otlpEndpoint', 'otlpProtocol'],
    problem(config, names) {
      const { otlpEndpoint } = config;
      if (otlpEndpoint === undefined || otlpProtocolOf(config) !== 'grpc') return undefined;
      const { pathname, search } = new URL(otlpEndpoint);
      if (pathname === '/' && search === '') return undefined;
      const setting = settingText(names, 'OTLP_ENDPOINT', new URL(otlpEndpoint).origin + pathname);
      return `${setting}: expected a URL without a path for gRPC, such as http://collector:4317`;
    },
  },
];
