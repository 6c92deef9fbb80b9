/**
 * Trailing metadata by which a caller hears that values of its were rejected: the key, and a text as a value. The text is
 * percent-encoded as gRPC encodes a status message: printable ASCII stands as it is, all else and `%` as `%XX` of its UTF-8.
 */

export const REJECTED_KEY = 'pulselane-rejected';
/** A sentence or two; headers of a call are 8 KiB in many clients. */
export const MAX_REJECTED_BYTES = 1024;

/** The text as a value; cut between characters if it would be longer than {@link MAX_REJECTED_BYTES}. */
export function encodeRejected(text: string): string {
  let encoded = '';
  // Spaces at either end would be taken away on the way.
  for (const character of text.trim()) {
    const more = encodedCharacter(character);
    if (encoded.length + more.length > MAX_REJECTED_BYTES) break;
    encoded += more;
  }
  return encoded.trimEnd();
}

/** What {@link encodeRejected} was given; a value of another sender's that is none of its is returned as it is. */
export function decodeRejected(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function encodedCharacter(character: string): string {
  if (/^[ -~]$/.test(character) && character !== '%') return character;
  // Half of a surrogate pair becomes the replacement character.
  return Array.from(
    new TextEncoder().encode(character),
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
