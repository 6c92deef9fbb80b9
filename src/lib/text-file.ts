/** Decodes text files as editors write them: UTF-8 with or without a byte order mark, or UTF-16 with one. */

const UTF16_LE_MARK = [0xff, 0xfe];
const UTF16_BE_MARK = [0xfe, 0xff];

/**
 * Returns the text without the mark, with line feeds as line ends. @throws Error with a message that fits after the
 * file's name
 */
export function textIn(bytes: Uint8Array): string {
  const text = decoded(bytes);
  if (text.includes('\0')) throw new Error('expected a text file, but it contains zero bytes');
  return text.replaceAll(/\r\n?/g, '\n');
}

function decoded(bytes: Uint8Array): string {
  const encoding = beginsWith(bytes, UTF16_LE_MARK)
    ? 'utf-16le'
    : beginsWith(bytes, UTF16_BE_MARK)
      ? 'utf-16be'
      : 'utf-8';
  try {
    // The decoder removes the mark.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`expected text in ${encoding === 'utf-8' ? 'UTF-8' : 'UTF-16'}`);
  }
}

function beginsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte);
}
