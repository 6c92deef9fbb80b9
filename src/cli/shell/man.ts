/** The man page pulselane(1), made from the table of commands, in the macros of man(7). */
import { agentOptions, clientOptions, masterOptions, type Options } from '../../config/options.ts';
import { allOf, type CommandSpec, type OptionSpec } from './command-spec.ts';

export function manPage(program: CommandSpec, version: string): string {
  const commands = allOf(program).filter(
    ({ path, commands: below, arguments: args }) => path.length > 0 && (below.length === 0 || args.length > 0),
  );
  return [
    '.\\" Generated from the commands of the program.',
    `.TH PULSELANE 1 "" "pulselane ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'pulselane \\- telemetry for master/worker fleets',
    '.SH SYNOPSIS',
    '.B pulselane',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    text(
      'Workers send heartbeats to a master. The master answers at any time which workers are alive and how each is doing: ' +
        'at its prompt, over HTTP, and to the client commands below.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandSection),
    '.SH ENVIRONMENT',
    text(
      'Each flag above names its variable in brackets. A flag wins over the environment, which wins over the file .env in the ' +
        'working directory, which wins over the default. These have no flag, since everybody on a machine sees command lines:',
    ),
    ...secrets().flatMap(({ env, meaning }) => ['.TP', `.B ${roff(env)}`, text(meaning)]),
    '.SH EXIT STATUS',
    ...[
      ['0', 'It was done.'],
      ['1', 'It failed; standard error says why.'],
      ['2', 'A flag, an argument or a setting is wrong.'],
    ].flatMap(([code = '', meaning = '']) => ['.TP', `.B ${code}`, text(meaning)]),
    '.PP',
    text(
      '"pulselane task run" ends with the exit code of its command: 128 + n if signal n has ended it, 127 if it is not there, 126 if it cannot be run.',
    ),
    '.SH EXAMPLES',
    ...exampleLines(program.after),
    '',
  ].join('\n');
}

function commandSection({ path, usage, description, arguments: args, options, after }: CommandSpec): string[] {
  return [
    `.SS "pulselane ${roff([...path, usage].join(' '))}"`,
    text(`${sentence(description)}`),
    ...args.flatMap(({ name, description: meaning }) => ['.TP', `.I ${roff(name)}`, text(meaning)]),
    ...options.flatMap(optionLines),
    ...exampleLines(after),
  ];
}

function optionLines({ flags, description }: OptionSpec): string[] {
  return ['.TP', `.B ${roff(flags)}`, text(description)];
}

/** As they are written, one below the other. */
function exampleLines(after: string): string[] {
  const lines = after.split('\n').filter((line) => line.startsWith('  '));
  if (lines.length === 0) return [];
  return ['.PP', '.nf', ...lines.map((line) => text(line.trim())), '.fi'];
}

/** Settings that the command line must not show. */
function secrets() {
  return [masterOptions, agentOptions, clientOptions].flatMap((options: Options) =>
    Object.values(options).filter(({ flag }) => flag === ''),
  );
}

function sentence(description: string): string {
  return `${description.charAt(0).toUpperCase()}${description.slice(1)}.`;
}

/** A line of text, which must not be taken for a request. */
function text(line: string): string {
  const safe = roff(line);
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}

/** With nothing in it that roff takes for its own; characters beyond ASCII by their number, for every output. */
function roff(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll(/[^\x20-\x7e]/gu, (character) => {
      return `\\[u${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}]`;
    });
}
