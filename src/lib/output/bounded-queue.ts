/**
 * What waits to be written, bounded in bytes. Once it is full everything is lost until half of it has been written, so that
 * lines are lost in one piece, which can be told of, and not one by one.
 */
const LINE_FEED = 10;
/** What one write is asked to take: as much as a pipe holds. */
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

  /** What is to be written next; undefined if there is nothing. */
  next(): Buffer | undefined {
    if (this.#parts.length > 1) {
      let [count, bytes] = [0, 0];
      while (count < this.#parts.length && bytes < CHUNK_BYTES) bytes += (this.#parts[count++] as Buffer).length;
      this.#parts.splice(0, count, Buffer.concat(this.#parts.slice(0, count)));
    }
    return this.#parts[0]?.subarray(0, CHUNK_BYTES);
  }

  /** So much of it has been written. */
  written(bytes: number): void {
    this.#bytes -= bytes;
    const [first] = this.#parts;
    if (first === undefined) return;
    if (bytes < first.length) this.#parts[0] = first.subarray(bytes);
    else this.#parts.shift();
  }

  /** How many lines were lost, once there is room to say so and for what follows; 0 otherwise. Each loss is told once. */
  takeLoss(): number {
    if (!this.#isFull || this.#bytes > this.#maxBytes / 2) return 0;
    const lost = this.#lostLines;
    this.#isFull = false;
    this.#lostLines = 0;
    return lost;
  }
}

/** A piece without a line end counts as one: it is the part of a line. */
function linesIn(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(LINE_FEED); at >= 0; at = text.indexOf(LINE_FEED, at + 1)) lines++;
  return Math.max(1, lines);
}
