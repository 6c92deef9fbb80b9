/** Text measured in columns of a terminal, where an emoji takes two and a combining accent none. */
import stringWidth from 'string-width';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

export function widthOf(text: string): number {
  return stringWidth(text);
}

/** What a person takes for one character each. */
export function graphemesOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** `text` in at most `columns`; what is cut off is replaced by `…`, and no character is cut in two. */
export function cut(text: string, columns: number): string {
  return widthOf(text) <= columns ? text : `${fitting(graphemesOf(text), columns - 1).join('')}…`;
}

/** How much of what is kept of a text comes from its beginning: ids have more in common there, and tell more at the end. */
const SHARE_OF_BEGINNING = 0.6;

/** `render-no…-0017`: the same, with both ends kept. */
export function cutMiddle(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  const graphemes = graphemesOf(text);
  const beginning = fitting(graphemes, Math.ceil((columns - 1) * SHARE_OF_BEGINNING));
  const end = fitting(graphemes.toReversed(), columns - 1 - widthOf(beginning.join(''))).reverse();
  return `${beginning.join('')}…${end.join('')}`;
}

/** The first of them, as many as have room. */
function fitting(graphemes: readonly string[], columns: number): string[] {
  let width = 0;
  const kept: string[] = [];
  for (const grapheme of graphemes) {
    width += widthOf(grapheme);
    if (width > columns) break;
    kept.push(grapheme);
  }
  return kept;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text;
}
