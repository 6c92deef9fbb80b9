/** The lines of one family in one format, as bytes. */
import type { Column, Version } from './column.ts';
import type { Lines } from './lines.ts';

/** Immutable. */
export interface Block {
  readonly bytes: Uint8Array;
  /** The version of the values in it. */
  readonly version: Version;
  /** Where the lines of each row end; rows without a value have none. Empty: not kept. */
  readonly ends: Uint32Array;
}

/** Grows; reused for all blocks of this thread, and copied from at once. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);
/** It shrinks after a block that was larger than most. */
const KEPT_SCRATCH_BYTES = 8 * 1024 * 1024;

/** A UTF-16 unit takes at most three bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

/** Writes lines one after another. */
class Writer {
  at = 0;
  readonly #encoding: Lines['encoding'];

  constructor(encoding: Lines['encoding']) {
    this.#encoding = encoding;
  }

  text(text: string): void {
    this.#ensure(BYTES_PER_UNIT * text.length);
    this.at += scratch.write(text, this.at, this.#encoding);
  }

  bytes(bytes: Uint8Array, from: number, to: number): void {
    this.#ensure(to - from);
    scratch.set(bytes.subarray(from, to), this.at);
    this.at += to - from;
  }

  /** A copy of all that was written. */
  finish(): Uint8Array {
    const bytes = Uint8Array.prototype.slice.call(scratch, 0, this.at);
    if (scratch.length > KEPT_SCRATCH_BYTES) scratch = Buffer.allocUnsafeSlow(KEPT_SCRATCH_BYTES);
    return bytes;
  }

  #ensure(bytes: number): void {
    if (this.at + bytes <= scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * scratch.length, this.at + bytes));
    larger.set(scratch.subarray(0, this.at));
    scratch = larger;
  }
}

/**
 * The block of a column, whose rows that have not changed since the earlier block are copied from it.
 * @param textOf writes the lines of a row that has a value
 */
export function blockOf<Value>(
  column: Pick<Column<Value>, 'values' | 'version' | 'changedAt'>,
  encoding: Lines['encoding'],
  textOf: (row: number, value: Value) => string,
  earlier: Block | undefined,
): Block {
  const { values, version } = column;
  const ends = new Uint32Array(values.length);
  const writer = new Writer(encoding);
  for (let row = 0; row < values.length; ) {
    const isAsBefore = (at: number) =>
      earlier !== undefined && at < earlier.ends.length && column.changedAt(at) <= earlier.version;
    if (isAsBefore(row)) {
      const first = row;
      while (row < values.length && isAsBefore(row)) row++;
      copyRows(writer, earlier as Block, first, row, ends);
      continue;
    }
    const value = values[row];
    if (value !== undefined) writer.text(textOf(row, value));
    ends[row++] = writer.at;
  }
  return { bytes: writer.finish(), version, ends };
}

function copyRows(writer: Writer, earlier: Block, first: number, end: number, ends: Uint32Array): void {
  const from = first === 0 ? 0 : (earlier.ends[first - 1] as number);
  const moved = writer.at - from;
  writer.bytes(earlier.bytes, from, earlier.ends[end - 1] as number);
  for (let row = first; row < end; row++) ends[row] = (earlier.ends[row] as number) + moved;
}

/** A block of these lines. */
export function blockOfTexts(texts: Iterable<string>, encoding: Lines['encoding'], version: Version): Block {
  const writer = new Writer(encoding);
  for (const text of texts) writer.text(text);
  return { bytes: writer.finish(), version, ends: new Uint32Array(0) };
}
