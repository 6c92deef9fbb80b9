/** Converts the options table to flags of a commander command, and parsed flags back to options. */
import { type Command, Option as CommanderOption } from 'commander';
import type { Option, Options } from './options.ts';
import type { GivenFlags } from './sources.ts';

/** Adds a flag for each option that has one; `--help` shows meaning, variable and default. */
export function addOptions(command: Command, options: Options): Command {
  for (const option of Object.values(options)) if (option.flag !== '') command.addOption(flagOf(option));
  return command;
}

/** The values given as flags, by option key. */
export function givenFlags(command: Command, options: Options): GivenFlags {
  const given = command.opts<Record<string, string | boolean | undefined>>();
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, { flag }]) => flag !== '')
      .map(([key, option]) => [key, given[flagOf(option).attributeName()]]),
  );
}

/** A flag of a setting. */
export class SettingFlag extends CommanderOption {
  /** All values there are, if they are a few words: for completion. `--help` has them in its text. */
  readonly candidates: readonly string[] | undefined;

  constructor(flags: string, description: string, candidates: readonly string[] | undefined) {
    super(flags, description);
    this.candidates = candidates;
  }
}

function flagOf({
  flag,
  argument,
  meaning,
  env,
  kind,
  fallback,
  fallbackShown = fallback,
}: Option<unknown>): SettingFlag {
  const origin =
    fallbackShown === undefined || fallbackShown === '' ? `[${env}]` : `[${env}, default ${fallbackShown}]`;
  return new SettingFlag(argument === '' ? flag : `${flag} ${argument}`, `${meaning} ${origin}`, kind.choices);
}
