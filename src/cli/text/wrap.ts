/** Lines broken between words, where a terminal would break them in the middle of one. */
import { graphemesOf, widthOf } from './width.ts';

/** Indents the second and later parts of a wrapped line, so that they do not look like lines of their own. */
const HANGING = '  ';
/** A narrower terminal has no columns to spare: parts are not indented. */
const LEAST_COLUMNS_TO_HANG = 20;

/** Each line of `text` in lines of at most `columns`; a word that is longer stays whole. What fits stays as it is. */
export function wrapLines(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns ? line : wrapLine(line, columns)))
    .join('\n');
}

function wrapLine(line: string, columns: number): string {
  const indent = (/^ */.exec(line)?.[0] ?? '') + HANGING;
  const hanging = columns < LEAST_COLUMNS_TO_HANG || indent.length > columns / 2 ? '' : indent;
  const lines: string[] = [];
  let current = '';
  let width = 0;
  for (const [part] of line.matchAll(/ *[^ ]+/g)) {
    const partWidth = widthOf(part);
    if (current !== '' && width + partWidth > columns) {
      lines.push(current);
      const word = part.trimStart();
      current = hanging + word;
      width = hanging.length + widthOf(word);
    } else {
      current += part;
      width += partWidth;
    }
  }
  return [...lines, current].join('\n');
}

/** One line of text as lines of at most `columns`. A longer word is broken: a cell must not be wider than its column. */
export function wrapCell(text: string, columns: number): string[] {
  if (widthOf(text) <= columns) return [text];
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(/ +/).flatMap((word) => brokenWord(word, columns))) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (widthOf(longer) <= columns) {
      current = longer;
    } else {
      if (current !== '') lines.push(current);
      current = word;
    }
  }
  return [...lines, current];
}

function brokenWord(word: string, columns: number): string[] {
  if (widthOf(word) <= columns) return [word];
  const parts: string[] = [];
  let current = '';
  for (const grapheme of graphemesOf(word)) {
    if (current !== '' && widthOf(current + grapheme) > columns) {
      parts.push(current);
      current = '';
    }
    current += grapheme;
  }
  return [...parts, current];
}
