/**
 * A queue of output, limited in bytes. When it is full, everything is dropped until half of it has been written, so
 * that lines are lost in one block that can be reported.
 */
const LINE_FEED = 10;
/** Size of one write: as much as a pipe holds. */
const CHUNK_BYTES = 64 * 1024;

export class BoundedQueue {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #lostLines = 0;
  #isFull = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(text: Buffer): void {
    if (this.#isFull || this.#bytes + text.length > this.#maxBytes) {
      this.#isFull = true;
      this.#lostLines += linesIn(text);
      return;
    }
    if (text.length === 0) return;
    this.#parts.push(text);
    this.#bytes += text.length;
  }

  /** The data to write next; undefined if there is none. */
  next(): Buffer | undefined {
    if (this.#parts.length > 1) {
      let [count, bytes] = [0, 0];
      while (count < this.#parts.length && bytes < CHUNK_BYTES) bytes += (this.#parts[count++] as Buffer).length;
      this.#parts.splice(0, count, Buffer.concat(this.#parts.slice(0, count)));
    }
    return this.#parts[0]?.subarray(0, CHUNK_BYTES);
  }

  /** This many bytes of it were written. */
  written(bytes: number): void {
    this.#bytes -= bytes;
    const [first] = this.#parts;
    if (first === undefined) return;
    if (bytes < first.length) this.#parts[0] = first.subarray(bytes);
    else this.#parts.shift();
  }

  /**
   * Number of lost lines, once there is room to report it and for what follows; otherwise 0. Each loss is reported
   * once.
   */
  takeLoss(): number {
    if (!this.#isFull || this.#bytes > this.#maxBytes / 2) return 0;
    const lost = this.#lostLines;
    this.#isFull = false;
    this.#lostLines = 0;
    return lost;
  }
}

/** A piece without a line feed counts as one line. */
function linesIn(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(LINE_FEED); at >= 0; at = text.indexOf(LINE_FEED, at + 1)) lines++;
  return Math.max(1, lines);
}
