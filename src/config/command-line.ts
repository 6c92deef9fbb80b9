/** The options table as flags of a commander command, and back. */
import { type Command, Option as CommanderOption } from 'commander';
import type { Option, Options } from './options.ts';
import type { GivenFlags } from './resolve.ts';

/** Declares a flag for each option; `--help` shows meaning, variable and default. */
export function addOptions(command: Command, options: Options): Command {
  for (const option of Object.values(options)) if (option.flag !== '') command.addOption(flagOf(option));
  return command;
}

/** The texts that were given as flags, by the key of their option. */
export function givenFlags(command: Command, options: Options): GivenFlags {
  const given = command.opts<Record<string, string | boolean | undefined>>();
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, { flag }]) => flag !== '')
      .map(([key, option]) => [key, given[flagOf(option).attributeName()]]),
  );
}

function flagOf({
  flag,
  argument,
  meaning,
  env,
  fallback,
  fallbackShown = fallback,
}: Option<unknown>): CommanderOption {
  const origin =
    fallbackShown === undefined || fallbackShown === '' ? `[${env}]` : `[${env}, default ${fallbackShown}]`;
  return new CommanderOption(argument === '' ? flag : `${flag} ${argument}`, `${meaning} ${origin}`);
}
