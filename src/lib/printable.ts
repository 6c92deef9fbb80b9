/**
 * Makes foreign text safe to print. Ids, reasons, names and messages come from workers and other machines: printed
 * unchanged, they could move the cursor, retitle the terminal or fake a line. Nothing is removed: each unsafe character
 * is shown as an escape.
 */

/**
 * Control characters, line and paragraph separators, lone surrogates, and characters that reorder or hide their
 * neighbours.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;

/** Returns a single line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for several lines: line feeds stay. */
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
