/** `-o <format>` and `--color <when>`: what there is to choose from, and what is chosen. */
import { type Command, Option } from 'commander';
import type { Streams } from '../streams.ts';
import type { Page } from '../text/page.ts';
import { coloured, plain } from '../text/paint.ts';

/**
 * | format | for                                                                |
 * |--------|--------------------------------------------------------------------|
 * | table  | people: what the window has room for                               |
 * | wide   | people: every column                                               |
 * | text   | people: what a command says that it has done                       |
 * | json   | programs: one value                                                |
 * | jsonl  | programs that read line by line: one value in each line            |
 * | csv    | spreadsheets: one line for each thing, with the names in the first |
 */
export type OutputFormat = 'table' | 'wide' | 'text' | 'json' | 'jsonl' | 'csv';

/** Of commands that show one thing. */
export const SHOW_FORMATS = ['table', 'json'] as const satisfies readonly OutputFormat[];
/** Of commands that list things. */
export const LIST_FORMATS = ['table', 'json', 'jsonl', 'csv'] as const satisfies readonly OutputFormat[];
/** Of commands whose lists have more columns than most windows have room for. */
export const WIDE_LIST_FORMATS = ['table', 'wide', 'json', 'jsonl', 'csv'] as const satisfies readonly OutputFormat[];
/** Of commands that do something, and say what. */
export const ACTION_FORMATS = ['text', 'json'] as const satisfies readonly OutputFormat[];

const COLOUR_TIMES = ['auto', 'always', 'never'] as const;
type ColourTime = (typeof COLOUR_TIMES)[number];

/** @param formats the first is for people: the default on a terminal, and of commands that do something everywhere */
export function addOutputOption(command: Command, formats: readonly OutputFormat[] = SHOW_FORMATS): Command {
  const isAction = formats[0] === 'text';
  const fallback = isAction ? 'text' : 'a table on a terminal, else json';
  command.addOption(new Option('-o, --output <format>', `output format; default: ${fallback}`).choices([...formats]));
  if (isAction) return command;
  return command.addOption(
    new Option(
      '--color <when>',
      'whether to use colours; default: auto, which is on a terminal, unless NO_COLOR is set',
    ).choices([...COLOUR_TIMES]),
  );
}

export function outputFormat(command: Command, { stdout }: Streams): OutputFormat {
  const { output } = command.opts<{ output?: OutputFormat }>();
  return output ?? (stdout.isTTY === true ? 'table' : 'json');
}

/** The page that a command's text is laid out for. */
export function pageOf(command: Command, { stdout, hasColours = false, isAscii = false }: Streams): Page {
  const { output, color = 'auto' } = command.opts<{ output?: OutputFormat; color?: ColourTime }>();
  const isTerminal = stdout.isTTY === true;
  return {
    // 0 in a terminal that does not know its size.
    columns: isTerminal && stdout.columns ? stdout.columns : Number.POSITIVE_INFINITY,
    isWide: output === 'wide',
    isAscii,
    paint: color === 'always' || (color === 'auto' && hasColours) ? coloured : plain,
  };
}
