/** Rules that involve several settings. */
import { formatDuration } from './kinds.ts';
import {
  type AgentConfig,
  agentOptions,
  type ClientConfig,
  clientOptions,
  type MasterConfig,
  masterOptions,
  type Option,
  type Options,
} from './options.ts';
import { otlpRules } from './otlp-rules.ts';
import { remoteWriteRules } from './remote-write-rules.ts';
import { LEAST_RING_TIME_MS } from './ring-time.ts';
import type { Rule } from './rule.ts';
import { nameOf, secretText, settingText } from './setting-names.ts';

export const masterRules: readonly Rule<MasterConfig>[] = [
  {
    about: ['inactivityTimeoutMs', 'heartbeatIntervalMs'],
    problem({ inactivityTimeoutMs, heartbeatIntervalMs }, names) {
      if (inactivityTimeoutMs >= 2 * heartbeatIntervalMs) return undefined;
      return (
        `${settingText(names, 'INACTIVITY_TIMEOUT', formatDuration(inactivityTimeoutMs))}: expected at least twice ` +
        `${nameOf(names, 'HEARTBEAT_INTERVAL')} (${formatDuration(heartbeatIntervalMs)}); otherwise healthy workers would be marked inactive`
      );
    },
  },
  {
    about: ['retentionMs', 'inactivityTimeoutMs'],
    problem({ retentionMs, inactivityTimeoutMs }, names) {
      if (retentionMs === 0 || retentionMs >= inactivityTimeoutMs) return undefined;
      return (
        `${settingText(names, 'RETENTION', formatDuration(retentionMs))}: expected 0 (never), or at least ` +
        `${nameOf(names, 'INACTIVITY_TIMEOUT')} (${formatDuration(inactivityTimeoutMs)})`
      );
    },
  },
  {
    about: ['databaseUrl', 'databaseUrlFile'],
    problem({ databaseUrl, databaseUrlFile }, names) {
      if (databaseUrl === undefined || databaseUrlFile === undefined) return undefined;
      const setting = settingText(names, 'DATABASE_URL_FILE', databaseUrlFile);
      return `${setting}: expected ${secretText(names, 'DATABASE_URL')} not to be set as well`;
    },
  },
  ...remoteWriteRules,
  ...otlpRules,
  {
    about: ['ringTimeMs', 'history'],
    problem({ ringTimeMs, history }, names) {
      if (ringTimeMs === undefined || ringTimeMs >= LEAST_RING_TIME_MS || (ringTimeMs === 0 && history === 'off')) {
        return undefined;
      }
      const setting = settingText(names, 'RING_TIME', formatDuration(ringTimeMs));
      return `${setting}: expected at least ${formatDuration(LEAST_RING_TIME_MS)}, or 0 with HISTORY=off`;
    },
  },
  needs(masterOptions, 'tlsCert', 'tlsKey'),
  needs(masterOptions, 'tlsKey', 'tlsCert'),
  needs(masterOptions, 'tlsClientCa', 'tlsCert', '; client certificates need TLS'),
];

export const agentRules: readonly Rule<AgentConfig>[] = [
  needs(agentOptions, 'tlsCert', 'tlsKey'),
  needs(agentOptions, 'tlsKey', 'tlsCert'),
  needs(agentOptions, 'listenTlsCert', 'listenTlsKey'),
  needs(agentOptions, 'listenTlsKey', 'listenTlsCert'),
  needs(agentOptions, 'listenTlsClientCa', 'listenTlsCert'),
  needs(agentOptions, 'listenTlsCert', 'listen'),
  {
    about: ['token', 'tokenFile', 'tlsCa', 'masters', 'listen'],
    problem({ token, tokenFile, tlsCa, masters, listen }, names) {
      const hasToken = token !== undefined || tokenFile !== undefined;
      // Node's built-in CAs would accept any host that has a certificate for its own name.
      if (!hasToken || tlsCa !== undefined || masters !== undefined || listen === undefined) return undefined;
      const name = nameOf(names, 'AGENT_LISTEN');
      const [master, ca] = (['masters', 'tlsCa'] as const).map((key) => siblingName(agentOptions[key], name));
      return `${name}: expected ${master} or ${ca} to be set too; otherwise the agent would send its token to any caller`;
    },
  },
  {
    about: ['token', 'tokenFile'],
    problem({ token, tokenFile }, names) {
      if (token === undefined || tokenFile === undefined) return undefined;
      return `${settingText(names, 'WORKER_TOKEN_FILE', tokenFile)}: expected WORKER_TOKEN not to be set as well`;
    },
  },
  {
    about: ['masters', 'listen'],
    problem({ masters, listen }) {
      if (masters !== undefined || listen !== undefined) return undefined;
      return 'MASTER_ADDRESS is not set: give --master <host:port>, or --listen <address> to wait for a master';
    },
  },
];

export const clientRules: readonly Rule<ClientConfig>[] = [
  needs(clientOptions, 'tlsCert', 'tlsKey'),
  needs(clientOptions, 'tlsKey', 'tlsCert'),
];

/** A rule that one setting requires another. @param why end of the sentence */
function needs<O extends Options, C extends Record<keyof O, unknown>>(
  options: O,
  key: keyof O & string,
  other: keyof O & string,
  why = '',
): Rule<C> {
  const { env } = options[key] as Option<unknown>;
  return {
    about: [key, other],
    problem(config, names) {
      if (config[key] === undefined || config[other] !== undefined) return undefined;
      const missing = siblingName(options[other] as Option<unknown>, nameOf(names, env));
      return `${settingText(names, env, config[key])}: expected ${missing} to be set too${why}`;
    },
  };
}

/** Names an unset setting in the same style as a set one. */
function siblingName({ env, flag }: Option<unknown>, name: string): string {
  return name.startsWith('--') && flag !== '' ? flag : env;
}
