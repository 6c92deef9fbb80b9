/** Resolves settings from flags, environment and `.env`. The only reader of `process.env`. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { textIn } from '../lib/text-file.ts';
import { formatDuration } from './kinds.ts';
import type { AgentConfig, ClientConfig, MasterConfig, Option, Options, ValuesOf } from './options.ts';

/** Unparsed values from the command line, by option key. */
export type GivenFlags = Readonly<Record<string, string | boolean | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  readonly flags: GivenFlags;
  readonly environment: Environment;
  /** Content of `.env`; unknown names are ignored. */
  readonly dotenv: Environment;
}

/** @throws PulselaneError `bad_setting`, naming the setting, its value, its origin and what was expected. */
export function resolveOptions<O extends Options>(options: O, sources: Sources): ValuesOf<O> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) values[key] = resolveOption(key, option, sources);
  return Object.freeze(values) as ValuesOf<O>;
}

/** Where a setting's value comes from. */
export type Origin = 'flag' | 'environment' | '.env' | 'default';

/** The effective value of one setting, as the user wrote it. */
export interface ExplainedOption {
  readonly env: string;
  readonly flag: string;
  /** Undefined if the setting is not set and has no default. */
  readonly text: string | undefined;
  readonly origin: Origin;
}

/** The texts that `resolveOptions` parses, with secrets masked. */
export function explainOptions(options: Options, sources: Sources): ExplainedOption[] {
  return Object.entries(options).map(([key, option]) => {
    const { text, origin } = findText(key, option, sources);
    return {
      env: option.env,
      flag: option.flag,
      text: isSecret(option) && text ? MASKED : text && withoutCredentials(text),
      origin,
    };
  });
}

const MASKED = '********';

/** The option's flag or variable, whichever the user set. For errors found after parsing. */
export function settingName<O extends Options>(options: O, key: keyof O & string, sources: Sources): string {
  return findText(key, options[key] as Option<unknown>, sources).name;
}

function isSecret({ flag }: Option<unknown>): boolean {
  return flag === '';
}

function resolveOption<T>(key: string, option: Option<T>, sources: Sources): T | undefined {
  const { text, name } = findText(key, option, sources);
  if (text === undefined) return undefined;
  try {
    return option.kind.parse(text);
  } catch (error) {
    const shown = isSecret(option) ? name : `${name}=${JSON.stringify(text)}`;
    throw new PulselaneError('bad_setting', withoutCredentials(`${shown}: expected ${messageOf(error)}`));
  }
}

/** Masks user and password in URLs. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/\/\/[^\s"',]*@/g, `//${MASKED}@`);
}

interface Found {
  readonly origin: Origin;
  /** The flag or variable that the user set. */
  readonly name: string;
  readonly text: string | undefined;
}

function findText(key: string, option: Option<unknown>, { flags, environment, dotenv }: Sources): Found {
  const flag = flags[key];
  const candidates: readonly Found[] = [
    { origin: 'flag', name: option.flag, text: flag === undefined ? undefined : String(flag) },
    { origin: 'environment', name: option.env, text: environment[option.env] },
    { origin: '.env', name: `${option.env} (in .env)`, text: dotenv[option.env] },
  ];
  const emptyCounts = option.kind.emptyCounts === true;
  const given = candidates.find(({ text }) => text !== undefined && (text !== '' || emptyCounts));
  return given ?? { origin: 'default', name: option.env, text: option.fallback };
}

/**
 * Checks the rules that involve several settings.
 * @throws PulselaneError `bad_setting`
 */
export function checkMasterConfig(config: MasterConfig): MasterConfig {
  if (config.inactivityTimeoutMs < 2 * config.heartbeatIntervalMs) {
    throw new PulselaneError(
      'bad_setting',
      `INACTIVITY_TIMEOUT=${formatDuration(config.inactivityTimeoutMs)}: expected at least twice HEARTBEAT_INTERVAL ` +
        `(${formatDuration(config.heartbeatIntervalMs)}); otherwise healthy workers would be marked inactive`,
    );
  }
  if (config.retentionMs !== 0 && config.retentionMs < config.inactivityTimeoutMs) {
    throw new PulselaneError(
      'bad_setting',
      `RETENTION=${formatDuration(config.retentionMs)}: expected 0 (never), or at least INACTIVITY_TIMEOUT ` +
        `(${formatDuration(config.inactivityTimeoutMs)})`,
    );
  }
  together({ TLS_CERT: config.tlsCert, TLS_KEY: config.tlsKey });
  if (config.tlsClientCa !== undefined && config.tlsCert === undefined) {
    throw new PulselaneError(
      'bad_setting',
      `TLS_CLIENT_CA=${config.tlsClientCa}: expected TLS_CERT and TLS_KEY to be set too; client certificates need TLS`,
    );
  }
  return config;
}

/** @throws PulselaneError `bad_setting` if one of the two is set without the other */
function together(pair: Readonly<Record<string, string | undefined>>): void {
  const set = Object.entries(pair).find(([, value]) => value !== undefined);
  const missing = Object.entries(pair).find(([, value]) => value === undefined);
  if (set === undefined || missing === undefined) return;
  throw new PulselaneError('bad_setting', `${set[0]}=${set[1]}: expected ${missing[0]} to be set too`);
}

export function checkAgentConfig(config: AgentConfig): AgentConfig {
  together({ MASTER_TLS_CERT: config.tlsCert, MASTER_TLS_KEY: config.tlsKey });
  together({ AGENT_LISTEN_TLS_CERT: config.listenTlsCert, AGENT_LISTEN_TLS_KEY: config.listenTlsKey });
  needs('AGENT_LISTEN_TLS_CLIENT_CA', config.listenTlsClientCa, 'AGENT_LISTEN_TLS_CERT', config.listenTlsCert);
  needs('AGENT_LISTEN_TLS_CERT', config.listenTlsCert, 'AGENT_LISTEN', config.listen);
  const hasToken = config.token !== undefined || config.tokenFile !== undefined;
  // Node's built-in CAs would accept any host that has a certificate for its own name.
  if (hasToken && config.tlsCa === undefined && config.masters === undefined && config.listen !== undefined) {
    throw new PulselaneError(
      'bad_setting',
      'AGENT_LISTEN: expected MASTER_ADDRESS or MASTER_TLS_CA to be set too; otherwise the agent would send its token to any caller',
    );
  }
  if (config.token !== undefined && config.tokenFile !== undefined) {
    throw new PulselaneError(
      'bad_setting',
      `WORKER_TOKEN_FILE=${config.tokenFile}: expected WORKER_TOKEN not to be set as well`,
    );
  }
  if (config.masters === undefined && config.listen === undefined) {
    throw new PulselaneError(
      'bad_setting',
      'MASTER_ADDRESS is not set: give --master <host:port>, or --listen <address> to wait for a master',
    );
  }
  return config;
}

export function checkClientConfig(config: ClientConfig): ClientConfig {
  together({ PULSELANE_TLS_CERT: config.tlsCert, PULSELANE_TLS_KEY: config.tlsKey });
  return config;
}

/**
 * Reads `.env`, decoded by `textIn`. Lines may begin with `export`, as in a shell.
 * @throws PulselaneError `bad_setting` if the file exists but cannot be read.
 */
export function readDotenv(path = '.env'): Environment {
  try {
    const parsed = Object.entries(parseEnv(textIn(readFileSync(path))));
    // Node strips `export` only before a space. Stripped from names, since a line may belong to a multi-line value.
    return Object.fromEntries(parsed.map(([name, value]) => [name.replace(/^export\s+/, ''), value]));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new PulselaneError('bad_setting', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Flags, this process's environment, and `.env` in the working directory. */
export function processSources(flags: GivenFlags): Sources {
  return { flags, environment: process.env, dotenv: readDotenv() };
}

/** @throws PulselaneError `bad_setting` if `name` is set without `other` */
function needs(name: string, value: string | undefined, other: string, otherValue: unknown): void {
  if (value === undefined || otherValue !== undefined) return;
  throw new PulselaneError('bad_setting', `${name}=${value}: expected ${other} to be set too`);
}
