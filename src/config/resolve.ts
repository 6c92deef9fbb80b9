/** Settings from flags, environment and `.env`: the only reader of `process.env`. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { textIn } from '../lib/text-file.ts';
import { formatDuration } from './kinds.ts';
import type { AgentConfig, ClientConfig, MasterConfig, Option, Options, ValuesOf } from './options.ts';

/** Raw texts by the key of the option, as the command line gave them. */
export type GivenFlags = Readonly<Record<string, string | boolean | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  readonly flags: GivenFlags;
  readonly environment: Environment;
  /** What `.env` holds; names that no option knows are ignored. */
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

/** One setting as it is in force, for people: texts as they were written. */
export interface ExplainedOption {
  readonly env: string;
  readonly flag: string;
  /** Undefined if nothing was given and there is no default. */
  readonly text: string | undefined;
  readonly origin: Origin;
}

/** What `resolveOptions` resolves, before it is parsed. */
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

/** What stands for a secret. */
const MASKED = '********';

/** How whoever set it would call an option: by its flag, or by its variable. For errors that show after parsing. */
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

/** A password in a URL is a secret wherever it was written. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/\/\/[^\s"',]*@/g, `//${MASKED}@`);
}

interface Found {
  readonly origin: Origin;
  /** How whoever set it would call it. */
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

/** Rules that span several settings. */
export function checkMasterConfig(config: MasterConfig): MasterConfig {
  if (config.inactivityTimeoutMs < 2 * config.heartbeatIntervalMs) {
    throw new PulselaneError(
      'bad_setting',
      `INACTIVITY_TIMEOUT=${formatDuration(config.inactivityTimeoutMs)}: expected at least twice HEARTBEAT_INTERVAL ` +
        `(${formatDuration(config.heartbeatIntervalMs)}), or healthy workers would look inactive`,
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
      `TLS_CLIENT_CA=${config.tlsClientCa}: expected TLS_CERT and TLS_KEY beside it: without TLS no client shows a certificate`,
    );
  }
  return config;
}

/** @throws PulselaneError `bad_setting` if one of the two is set without the other */
function together(pair: Readonly<Record<string, string | undefined>>): void {
  const set = Object.entries(pair).find(([, value]) => value !== undefined);
  const missing = Object.entries(pair).find(([, value]) => value === undefined);
  if (set === undefined || missing === undefined) return;
  throw new PulselaneError('bad_setting', `${set[0]}=${set[1]}: expected ${missing[0]} beside it`);
}

export function checkAgentConfig(config: AgentConfig): AgentConfig {
  together({ MASTER_TLS_CERT: config.tlsCert, MASTER_TLS_KEY: config.tlsKey });
  together({ AGENT_LISTEN_TLS_CERT: config.listenTlsCert, AGENT_LISTEN_TLS_KEY: config.listenTlsKey });
  needs('AGENT_LISTEN_TLS_CLIENT_CA', config.listenTlsClientCa, 'AGENT_LISTEN_TLS_CERT', config.listenTlsCert);
  needs('AGENT_LISTEN_TLS_CERT', config.listenTlsCert, 'AGENT_LISTEN', config.listen);
  const hasToken = config.token !== undefined || config.tokenFile !== undefined;
  // With the authorities of Node any host that has a certificate for its own name would be believed.
  if (hasToken && config.tlsCa === undefined && config.masters === undefined && config.listen !== undefined) {
    throw new PulselaneError(
      'bad_setting',
      'AGENT_LISTEN: expected MASTER_ADDRESS or MASTER_TLS_CA beside it, or the token of this worker would go to whoever calls',
    );
  }
  if (config.token !== undefined && config.tokenFile !== undefined) {
    throw new PulselaneError(
      'bad_setting',
      `WORKER_TOKEN_FILE=${config.tokenFile}: expected no WORKER_TOKEN beside it`,
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
 * As Windows and editors write it, too: see `textIn`. Names may follow an `export`, as for a shell.
 * @throws PulselaneError `bad_setting` if the file is there but cannot be read.
 */
export function readDotenv(path = '.env'): Environment {
  try {
    const parsed = Object.entries(parseEnv(textIn(readFileSync(path))));
    // Node takes away an `export` before a space alone. Of names, not of lines: those may be of a value.
    return Object.fromEntries(parsed.map(([name, value]) => [name.replace(/^export\s+/, ''), value]));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new PulselaneError('bad_setting', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The environment of this process, and the `.env` of its working directory. */
export function processSources(flags: GivenFlags): Sources {
  return { flags, environment: process.env, dotenv: readDotenv() };
}

/** @throws PulselaneError `bad_setting` if the one is set and the other, which it is about, is not */
function needs(name: string, value: string | undefined, other: string, otherValue: unknown): void {
  if (value === undefined || otherValue !== undefined) return;
  throw new PulselaneError('bad_setting', `${name}=${value}: expected ${other} beside it`);
}
