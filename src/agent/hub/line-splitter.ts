/** Splits a byte stream into lines of bounded length. A longer one is left out as a whole, with its size. */

const LINE_FEED = 10;

export type SplitLine =
  | { readonly bytes: Buffer }
  /** It was longer than allowed. */
  | { readonly tooLongBytes: number };

export class LineSplitter {
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  /** Up to here there is no line feed. */
  #scanned = 0;
  /** Of a line that is too long: what was dropped of it so far. */
  #droppedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
  }

  /** The next whole line without its line feed; undefined until more comes. */
  next(): SplitLine | undefined {
    const end = this.#buffer.indexOf(LINE_FEED, this.#scanned);
    if (end >= 0) {
      const bytes = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(end + 1);
      this.#scanned = 0;
      return this.#line(bytes);
    }
    this.#scanned = this.#buffer.length;
    if (this.#droppedBytes > 0 || this.#buffer.length > this.#maxBytes) {
      this.#droppedBytes += this.#buffer.length;
      this.#buffer = Buffer.alloc(0);
      this.#scanned = 0;
    }
    return undefined;
  }

  /** After the last byte: the line that no line feed ends; undefined if there is none. Call after `next` has returned undefined. */
  rest(): SplitLine | undefined {
    const bytes = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    this.#scanned = 0;
    return bytes.length === 0 && this.#droppedBytes === 0 ? undefined : this.#line(bytes);
  }

  #line(bytes: Buffer): SplitLine {
    const size = this.#droppedBytes + bytes.length;
    this.#droppedBytes = 0;
    return size > this.#maxBytes ? { tooLongBytes: size } : { bytes };
  }
}
