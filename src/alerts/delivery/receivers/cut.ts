/** Fits text into the limits of a receiver after it was escaped, without half an escape at the end. */

/**
 * Joins escaped units, each whole or not at all.
 * @param sizeOf what the limit counts
 */
export function unitsWithin(
  units: Iterable<string>,
  limit: number,
  sizeOf: (text: string) => number = (part) => part.length,
): string {
  const ellipsis = '…';
  const room = limit - sizeOf(ellipsis);
  let size = 0;
  let whole = '';
  /** What fits before an ellipsis. */
  let cut = '';
  for (const unit of units) {
    size += sizeOf(unit);
    if (size > limit) return cut + ellipsis;
    whole += unit;
    if (size <= room) cut = whole;
  }
  return whole;
}

/** As many of the blocks, from the first, as fit together with what is said of the others. */
export function blocksWithin(
  blocks: readonly string[],
  omitted: number,
  limit: number,
  omittedText: (omitted: number) => string,
  sizeOf: (text: string) => number = (part) => part.length,
): string {
  for (let count = blocks.length; count > 0; count--) {
    const rest = omitted + blocks.length - count;
    const text = [...blocks.slice(0, count), ...(rest > 0 ? [omittedText(rest)] : [])].join('\n\n');
    if (sizeOf(text) <= limit) return text;
  }
  return omittedText(omitted + blocks.length);
}
