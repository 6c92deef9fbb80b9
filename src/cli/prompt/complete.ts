/** Tab completion of commands and of their first argument, quoted where it must be. */
import { FILTER_STARTS } from '../worker-query.ts';
import type { PromptContext } from './command.ts';
import { findCommand } from './registry.ts';
import { quoteWord, splitPartial } from './words.ts';

/** A list that is longer than a screen helps nobody. */
const MAX_SHOWN = 100;

/** In the shape that node:readline wants: the completions, and the typed text that they replace. */
export function complete(line: string, context: Pick<PromptContext, 'operator' | 'commands'>): [string[], string] {
  const { words, typed, partial } = splitPartial(line);
  const matches = [...candidates(words, context)].filter((word) => word.startsWith(partial)).sort();
  const completions = matches.map((word) => (FILTER_STARTS.includes(word) ? word : `${quoteWord(word)} `));
  return [completions.length <= MAX_SHOWN ? completions : shortened(completions, typed), typed];
}

function candidates(words: readonly string[], context: Pick<PromptContext, 'operator' | 'commands'>): Iterable<string> {
  const [name] = words;
  if (name === undefined) return context.commands.map(({ names }) => names[0]);
  const command = findCommand(context.commands, name);
  if (words.length > 1 && command?.completesAll !== true) return [];
  return command?.complete?.(context) ?? [];
}

/** What all have in common if it says more than was typed; else the first of them and how many more there are. */
function shortened(completions: readonly string[], typed: string): string[] {
  const shared = completions.reduce(commonStart);
  if (shared.length > typed.length) return [shared];
  return [...completions.slice(0, MAX_SHOWN), `… and ${completions.length - MAX_SHOWN} more`];
}

function commonStart(left: string, right: string): string {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at++;
  return left.slice(0, at);
}
