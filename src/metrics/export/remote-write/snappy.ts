/**
 * Snappy's block format, with literals only: the receivers ask for the format, not for small messages, and copying costs a
 * hundredth of compressing. See https://github.com/google/snappy/blob/main/format_description.txt
 */

/** The length as a varint, then the tag of one literal and its length. */
export const MAX_SNAPPY_HEADER_BYTES = 5 + 5;

/** Tags of literals with a length of one to four further bytes. */
const LITERAL_WITH_1_BYTE = 60 << 2;

/**
 * Writes what precedes the content so that it ends just before `at`. @param length of the content in bytes, below 4 GiB
 * @returns where it begins
 */
export function writeSnappyHeader(into: Buffer, at: number, length: number): number {
  const header: number[] = [];
  let rest = length;
  while (rest > 0x7f) {
    header.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  header.push(rest);
  // An empty block has no literal.
  if (length > 0) pushLiteralTag(header, length - 1);
  const from = at - header.length;
  into.set(header, from);
  return from;
}

function pushLiteralTag(header: number[], lengthLess1: number): void {
  if (lengthLess1 < 60) {
    header.push(lengthLess1 << 2);
    return;
  }
  const bytes: number[] = [];
  for (let rest = lengthLess1; rest > 0; rest >>>= 8) bytes.push(rest & 0xff);
  header.push(LITERAL_WITH_1_BYTE + ((bytes.length - 1) << 2), ...bytes);
}
