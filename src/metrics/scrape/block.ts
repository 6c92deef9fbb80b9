/** The lines of one family in one format, as bytes. */
import type { Lines } from './lines.ts';
import type { RowValues, Version } from './row-values.ts';

/** Immutable. */
export interface Block {
  readonly bytes: Uint8Array;
  /** The version of the values in it. */
  readonly version: Version;
  /** Ascending. Empty: not kept. */
  readonly rows: Uint32Array;
  /** Where the lines of each of these rows end; a row without a value has none. */
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
  column: RowValues<Value>,
  encoding: Lines['encoding'],
  textOf: (row: number, value: Value) => string,
  earlier: Block = NOTHING,
): Block {
  const { values, changed, version } = column;
  const rows = new Uint32Array(column.rows);
  const ends = new Uint32Array(rows.length);
  const writer = new Writer(encoding);
  for (let at = 0, then = 0; at < rows.length; ) {
    const row = rows[at] as number;
    while (then < earlier.rows.length && (earlier.rows[then] as number) < row) then++;
    const first = at;
    while (
      at < rows.length &&
      then < earlier.rows.length &&
      rows[at] === earlier.rows[then] &&
      (changed[at] as Version) <= earlier.version
    ) {
      at++;
      then++;
    }
    if (at > first) {
      copyRows(writer, earlier, then, ends, first, at);
      continue;
    }
    const value = values[at];
    if (value !== undefined) writer.text(textOf(row, value));
    ends[at++] = writer.at;
  }
  return { bytes: writer.finish(), version, rows, ends };
}

const NOTHING: Block = { bytes: new Uint8Array(0), version: 0, rows: new Uint32Array(0), ends: new Uint32Array(0) };

/** @param endThen behind the last of these rows in the earlier block */
function copyRows(
  writer: Writer,
  earlier: Block,
  endThen: number,
  ends: Uint32Array,
  first: number,
  end: number,
): void {
  const firstThen = endThen - (end - first);
  const from = firstThen === 0 ? 0 : (earlier.ends[firstThen - 1] as number);
  const moved = writer.at - from;
  writer.bytes(earlier.bytes, from, earlier.ends[endThen - 1] as number);
  for (let at = first; at < end; at++) ends[at] = (earlier.ends[firstThen + at - first] as number) + moved;
}

/** A block of these lines. */
export function blockOfTexts(texts: Iterable<string>, encoding: Lines['encoding'], version: Version): Block {
  const writer = new Writer(encoding);
  for (const text of texts) writer.text(text);
  return { ...NOTHING, bytes: writer.finish(), version };
}
