/** The lines of a file, however large it is and whatever is in it. */
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';

const LINE_FEED = 10;

export interface Line {
  /** Without the line feed; undefined if it is too long, or not UTF-8. */
  readonly text: string | undefined;
  /** Whether it ends in a line feed. Only the last one may not: whoever wrote it was cut short. */
  readonly isEnded: boolean;
}

/**
 * Reads piece by piece. Only a line feed ends a line: JSON may hold every other separator.
 * @param maxBytes of a line; longer ones are passed over and reported without a text
 * @throws as `open` does, when the first line is asked for
 */
export async function* readLines(path: string, maxBytes: number): AsyncGenerator<Line> {
  const file = await open(path);
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (isEnded: boolean): Line => {
    const line = bytes <= maxBytes ? Buffer.concat(parts) : undefined;
    parts = [];
    bytes = 0;
    return { text: line !== undefined && isUtf8(line) ? line.toString() : undefined, isEnded };
  };
  // The stream closes the file, also when the reader stops half-way.
  for await (const chunk of file.createReadStream() as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, at));
      yield take(true);
      from = at + 1;
    }
    add(chunk.subarray(from));
  }
  if (bytes > 0) yield take(false);
}
