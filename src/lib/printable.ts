/**
 * Text from outside, made safe to print. Ids, reasons, names and messages come from workers and other machines: printed as
 * they are, in a table, a line of the log or an error, they could move the cursor, retitle the terminal or fake a line.
 * Nothing is taken away, so that a person sees what was sent: each such character is shown as its escape.
 */

/** Control characters, line and paragraph separators, lone surrogates, and what reorders or hides its neighbours. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;

/** One line of text, whatever `text` holds. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for text of several lines: line feeds stay. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (character === '\n' ? character : escaped(character)));
}

function escaped(character: string): string {
  const code = character.codePointAt(0) as number;
  return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
