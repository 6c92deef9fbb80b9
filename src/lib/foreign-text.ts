/**
 * Cuts foreign text of any length (thrown by a processor, sent by a peer) to a limit before it is stored, logged or
 * shown.
 */

/** In UTF-16 units. Longer texts are not meant to be read by people. */
export const MAX_FOREIGN_TEXT = 1024;

/**
 * Returns the text, or its beginning and its length, at most `maxLength` units, which must leave room for the length.
 * The result is a copy: in V8 a substring would keep the whole text in memory.
 */
export function shortText(text: string, maxLength = MAX_FOREIGN_TEXT): string {
  if (text.length <= maxLength) return text;
  const mark = `… (${text.length} characters)`;
  let end = Math.max(0, maxLength - mark.length);
  // A surrogate pair is not split.
  if (end > 0 && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return Buffer.from(text.slice(0, end) + mark).toString();
}
