/** Looks at the bytes of a text before anything is made of it. */

export const LINE_FEED = 0x0a;
/** A JSON text has at most as many objects. */
export const OPENING_BRACE = 0x7b;

/** How often the byte occurs. */
export function countOf(byte: number, bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === byte) count++;
  return count;
}
