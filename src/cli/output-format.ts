/** `-o table|json`: a table for people, JSON for programs, by default whichever reads. */
import { type Command, Option } from 'commander';
import type { Streams } from './streams.ts';

export type OutputFormat = 'table' | 'json';

export function addOutputOption(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'table or json; default: a table on a terminal, else json').choices([
      'table',
      'json',
    ]),
  );
}

export function outputFormat(command: Command, { stdout }: Streams): OutputFormat {
  const { output } = command.opts<{ output?: OutputFormat }>();
  return output ?? (stdout.isTTY === true ? 'table' : 'json');
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
