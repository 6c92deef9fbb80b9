/**
 * The command line as data, read from commander's objects: what `--help` is made of, so that completions and the man page
 * cannot tell of other commands and flags than there are.
 */
import type { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';
import { SettingFlag } from '../../config/command-line.ts';
import { ISOLATIONS } from '../../model/isolation.ts';

export interface CommandSpec {
  /** From below `pulselane`: `['token', 'create']`; empty for the program. */
  readonly path: readonly string[];
  readonly description: string;
  /** `[options] <id> <lane>` */
  readonly usage: string;
  readonly options: readonly OptionSpec[];
  readonly arguments: readonly ArgumentSpec[];
  readonly commands: readonly CommandSpec[];
  /** What stands below the flags in `--help`. */
  readonly after: string;
}

export interface OptionSpec {
  /** `-o, --output <format>` */
  readonly flags: string;
  /** `-o`; undefined if there is none. */
  readonly short: string | undefined;
  /** `--output` */
  readonly long: string;
  readonly description: string;
  /** Undefined for switches. */
  readonly value: ValueSpec | undefined;
}

export interface ArgumentSpec {
  /** `id` */
  readonly name: string;
  readonly description: string;
  readonly value: ValueSpec;
}

/** What may stand there. `pending` are workers that wait for approval. */
export type ValueSpec =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | { readonly kind: 'file' | 'folder' | 'worker' | 'pending' | 'any' };

export function specOf(command: Command, path: readonly string[] = []): CommandSpec {
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map((argument) => argumentOf(argument, path)),
    commands: help
      .visibleCommands(command)
      .filter((below) => command.commands.includes(below))
      .map((below) => specOf(below, [...path, below.name()])),
    after: textAfterHelp(command),
  };
}

/** Every command below, and the program itself first. */
export function allOf(spec: CommandSpec): readonly CommandSpec[] {
  return [spec, ...spec.commands.flatMap(allOf)];
}

function optionOf(option: Option): OptionSpec {
  const { flags, short, long, description, argChoices } = option;
  const takesValue = option.required || option.optional;
  return {
    flags,
    short,
    long: long ?? flags,
    description,
    value: takesValue ? optionValue(option instanceof SettingFlag ? option.candidates : argChoices, flags) : undefined,
  };
}

function argumentOf(argument: Argument, path: readonly string[]): ArgumentSpec {
  const name = argument.name();
  return { name, description: argument.description, value: argumentValue(argument, path) };
}

function argumentValue(argument: Argument, path: readonly string[]): ValueSpec {
  if (argument.argChoices !== undefined) return { kind: 'choices', choices: argument.argChoices };
  const name = argument.name();
  // Their own errors say more than those of choices.
  if (name === 'lane') return { kind: 'choices', choices: ISOLATIONS };
  if (name === 'release') return { kind: 'choices', choices: ['release'] };
  if (name === 'id') return { kind: path.join(' ') === 'approve' ? 'pending' : 'worker' };
  if (name === 'file') return { kind: 'file' };
  return { kind: name === 'prefix' ? 'worker' : 'any' };
}

function optionValue(choices: readonly string[] | undefined, flags: string): ValueSpec {
  if (choices !== undefined) return { kind: 'choices', choices };
  if (/<file[^>]*>/.test(flags)) return { kind: 'file' };
  return { kind: /<folder[^>]*>/.test(flags) ? 'folder' : 'any' };
}

/** Commander keeps it as a listener of the event with which help ends. */
function textAfterHelp(command: Command): string {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  // What its types do not tell: commands are emitters.
  (command as unknown as EventEmitter).emit('afterHelp', { error: false, command, write });
  return text;
}
