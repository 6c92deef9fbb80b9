/**
 * Texts of any length that are not ours (what a processor throws, what a peer says of itself), as they are kept, logged
 * and shown: cut to a bound before anything is done with them.
 */

/** In UTF-16 units. A message for people is a line or two; what is longer was not written for them. */
export const MAX_FOREIGN_TEXT = 1024;

/**
 * The text, or its beginning and how long it is; never longer than `maxLength`, which must leave room for that. What it
 * returns holds on to nothing: a part of a text that is cut off in V8 keeps the whole in memory.
 */
export function shortText(text: string, maxLength = MAX_FOREIGN_TEXT): string {
  if (text.length <= maxLength) return text;
  const mark = `… (${text.length} characters)`;
  let end = Math.max(0, maxLength - mark.length);
  // A character of two units is left out whole.
  if (end > 0 && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return Buffer.from(text.slice(0, end) + mark).toString();
}
