/**
 * Trailing metadata that informs a caller that values were rejected: the key, and the encoding of the text. The text is
 * percent-encoded like a gRPC status message: printable ASCII is unchanged, everything else and `%` becomes `%XX` of
 * its UTF-8.
 */

export const REJECTED_KEY = 'pulselane-rejected';
/** One or two sentences; many clients limit headers to 8 KiB. */
export const MAX_REJECTED_BYTES = 1024;

/** Encodes a text; cut between characters if it would exceed {@link MAX_REJECTED_BYTES}. */
export function encodeRejected(text: string): string {
  let encoded = '';
  // Transport removes spaces at both ends.
  for (const character of text.trim()) {
    const more = encodedCharacter(character);
    if (encoded.length + more.length > MAX_REJECTED_BYTES) break;
    encoded += more;
  }
  return encoded.trimEnd();
}

/** Reverses {@link encodeRejected}; an invalid value is returned unchanged. */
export function decodeRejected(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function encodedCharacter(character: string): string {
  if (/^[ -~]$/.test(character) && character !== '%') return character;
  // Lone surrogates become the replacement character.
  return Array.from(
    new TextEncoder().encode(character),
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
