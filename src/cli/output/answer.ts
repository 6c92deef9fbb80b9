/**
 * What a command answers: made once, and printed in whichever format was asked for.
 *
 *     printAnswer({ json, items, fields, text: (page) => … }, command, streams)
 */
import type { Command } from 'commander';
import { printable } from '../../lib/printable.ts';
import type { Streams } from '../streams.ts';
import type { Page } from '../text/page.ts';
import { wrapLines } from '../text/wrap.ts';
import { csvText, type Item } from './csv.ts';
import { type OutputFormat, outputFormat, pageOf } from './format.ts';

export interface Answer {
  /** For `json`. */
  readonly json: unknown;
  /** For `jsonl` and `csv`. */
  readonly items?: readonly Item[];
  /** The columns of `csv`: members of the items. */
  readonly fields?: readonly string[];
  /** For people, without a line end at its end. */
  text(page: Page): string;
}

/** The answer as it is printed, line ends included. */
export function formatted(answer: Answer, format: OutputFormat, page: Page): string {
  const { json, items = [], fields = [] } = answer;
  switch (format) {
    case 'json':
      return `${JSON.stringify(json, null, 2)}\n`;
    case 'jsonl':
      return items.map((item) => `${JSON.stringify(item)}\n`).join('');
    case 'csv':
      return csvText(fields, items);
    default:
      return `${answer.text(page)}\n`;
  }
}

export function printAnswer(answer: Answer, command: Command, streams: Streams): void {
  streams.stdout.write(formatted(answer, outputFormat(command, streams), pageOf(command, streams)));
}

/** Of a command that does something: what it says, in lines, unless `-o json` asks for what the master answered. */
export function printMessage(
  { message, json }: { readonly message: readonly string[]; readonly json: unknown },
  command: Command,
  streams: Streams,
): void {
  const { output = 'text' } = command.opts<{ output?: OutputFormat }>();
  const text = (page: Page) => wrapLines(message.map(printable).join('\n'), page.columns);
  streams.stdout.write(formatted({ json, text }, output, pageOf(command, streams)));
}
