/**
 * A typed line as words. White space separates; double quotes keep it together (`status "my worker"`), and within them a
 * backslash takes the next character as it is, so that every worker id can be typed.
 */
import { PulselaneError } from '../../lib/errors.ts';

/** @throws PulselaneError `invalid_argument` if a quote is not closed */
export function splitWords(line: string): string[] {
  const { words, isQuoted, last } = scan(line);
  if (isQuoted) throw new PulselaneError('invalid_argument', 'a double quote is not closed');
  return last === undefined ? words : [...words, last.word];
}

/** The words before the one under the cursor, and that one: what was typed of it, and what is meant by it. */
export interface PartialLine {
  readonly words: readonly string[];
  readonly typed: string;
  readonly partial: string;
}

/** For completion: `line` up to the cursor, an open quote included. */
export function splitPartial(line: string): PartialLine {
  const { words, last } = scan(line);
  return { words, typed: line.slice(last?.from ?? line.length), partial: last?.word ?? '' };
}

/** `word` as it must be typed. */
export function quoteWord(word: string): string {
  return /^[^\s"]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}

interface Scan {
  readonly words: string[];
  readonly isQuoted: boolean;
  /** The word that reaches the end of the line. */
  readonly last: { readonly word: string; readonly from: number } | undefined;
}

function scan(line: string): Scan {
  const words: string[] = [];
  let last: { word: string; from: number } | undefined;
  let isQuoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (!isQuoted && /\s/.test(character)) {
      if (last !== undefined) words.push(last.word);
      last = undefined;
      continue;
    }
    last ??= { word: '', from: at };
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === '\\' && at + 1 < line.length) last.word += line[++at];
    else last.word += character;
  }
  return { words, isQuoted, last };
}
