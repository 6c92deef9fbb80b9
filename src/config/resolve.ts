/** Resolves settings from flags, environment and `.env`, and reports all problems at once. */
import { messageOf, SettingsError } from '../lib/errors.ts';
import {
  type AgentConfig,
  agentOptions,
  type ClientConfig,
  clientOptions,
  type MasterConfig,
  masterOptions,
  type Option,
  type Options,
  type ValuesOf,
} from './options.ts';
import type { Rule } from './rule.ts';
import { agentRules, clientRules, masterRules } from './rules.ts';
import { type SettingName, type SettingNames, secretText, settingText } from './setting-names.ts';
import type { Sources } from './sources.ts';

/** @throws SettingsError naming each wrong setting, its value, and what was expected */
export const masterConfig = (sources: Sources): MasterConfig => resolveConfig(masterOptions, masterRules, sources);

/** @throws SettingsError as {@link masterConfig} */
export const agentConfig = (sources: Sources): AgentConfig => resolveConfig(agentOptions, agentRules, sources);

/** @throws SettingsError as {@link masterConfig} */
export const clientConfig = (sources: Sources): ClientConfig => resolveConfig(clientOptions, clientRules, sources);

/**
 * Resolves options without rules between them.
 * @throws SettingsError as {@link masterConfig}
 */
export function resolveOptions<O extends Options>(options: O, sources: Sources): ValuesOf<O> {
  const { names: _, ...values } = resolveConfig<ValuesOf<O> & { readonly names?: SettingNames }>(options, [], sources);
  return Object.freeze(values) as unknown as ValuesOf<O>;
}

function resolveConfig<C>(options: Options, rules: readonly Rule<C>[], sources: Sources): C {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  const wrong = new Set<string>();
  for (const [key, option] of Object.entries(options)) {
    try {
      values[key] = resolveOption(key, option, sources);
    } catch (error) {
      problems.push(messageOf(error));
      wrong.add(key);
    }
  }
  const names = settingNames(options, sources);
  const config = { ...values, names } as C;
  for (const { about, problem } of rules) {
    // An invalid value was reported already; consequences of it would be misleading.
    if (about.some((key) => wrong.has(String(key)))) continue;
    const found = problem(config, names);
    if (found !== undefined) problems.push(found);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(config);
}

/** Names of all settings that were not written as environment variables. */
export function settingNames(options: Options, sources: Sources): SettingNames {
  const names: Record<string, SettingName> = {};
  for (const [key, option] of Object.entries(options)) {
    const { env, flag } = option;
    const { origin } = findText(key, option, sources);
    if (origin === 'flag') names[env] = { name: flag, where: '' };
    else if (origin === '.env') names[env] = { name: env, where: ' (in .env)' };
  }
  return names;
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

function isSecret({ flag }: Option<unknown>): boolean {
  return flag === '';
}

function resolveOption<T>(key: string, option: Option<T>, sources: Sources): T | undefined {
  const { text, origin } = findText(key, option, sources);
  if (text === undefined) return undefined;
  try {
    // A variable may be empty; an empty flag is a mistake, often an empty shell variable.
    if (text === '' && origin === 'flag' && option.kind.emptyCounts !== true) throw new Error('a value');
    return option.kind.parse(text);
  } catch (error) {
    const names = settingNames({ [key]: option }, sources);
    // The parser of a secret says what it expects without the value; its examples must stay readable.
    if (isSecret(option)) throw new Error(`${secretText(names, option.env)}: expected ${messageOf(error)}`);
    throw new Error(withoutCredentials(`${settingText(names, option.env, text)}: expected ${messageOf(error)}`));
  }
}

/** Masks user and password in URLs, and the values of their queries, where some services expect a key. */
function withoutCredentials(text: string): string {
  return text
    .replaceAll(/\/\/[^\s"',]*@/g, `//${MASKED}@`)
    .replaceAll(/\/\/[^\s"',?#]+\?[^\s"',#]*/g, (url) => url.replaceAll(/=[^&]*/g, `=${MASKED}`));
}

interface Found {
  readonly origin: Origin;
  readonly text: string | undefined;
}

function findText(key: string, { env, kind, fallback }: Option<unknown>, sources: Sources): Found {
  const flag = sources.flags[key];
  if (flag !== undefined) return { origin: 'flag', text: String(flag) };
  const variables: readonly Found[] = [
    { origin: 'environment', text: sources.environment[env] },
    { origin: '.env', text: sources.dotenv[env] },
  ];
  const given = variables.find(({ text }) => text !== undefined && (text !== '' || kind.emptyCounts === true));
  return given ?? { origin: 'default', text: fallback };
}
