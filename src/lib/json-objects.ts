/**
 * Reads the JSON objects of a file that should have one per line, even if the file is damaged: lines that are joined,
 * truncated or full of NULs after a power failure, a missing header, lines of any length. Memory is limited to one
 * object's.
 *
 * An object begins with a brace and ends with the matching one. Our JSON contains no line feeds, so a line feed ends a
 * broken object. Inside broken parts, objects are found by the text with which each begins.
 */
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';

const LINE_FEED = 10;
const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;
/** Maximum number of times that a broken byte is examined, on average, so that garbage does not take quadratic time. */
const LOOKS_PER_BYTE = 8;

export interface ReadObjectsOptions {
  /** Maximum size of an object; a longer one is broken. */
  readonly maxBytes: number;
  /** The text with which each object begins, such as `{"id":`. */
  readonly beginning: string;
  /** @returns whether the object belongs to this file */
  readonly take: (text: string) => boolean;
}

/** What could not be read. */
export interface Losses {
  /** Size of the whole file. */
  readonly bytes: number;
  /** Number of places without a valid object: lines, or parts of lines. */
  readonly lostPlaces: number;
  readonly lostBytes: number;
  /** The last object has no end and no line feed, because its writer was interrupted. Not counted as lost. */
  readonly isCutShort: boolean;
}

/** @throws as `open` does, and what `take` throws */
export async function readObjects(path: string, options: ReadObjectsOptions): Promise<Losses> {
  const file = await open(path);
  const scanner = new Scanner(options);
  // The stream closes the file, even if the reader throws.
  for await (const chunk of file.createReadStream() as AsyncIterable<Buffer>) scanner.push(chunk);
  return scanner.end();
}

/** The same for data in memory. */
export function objectsIn(bytes: Buffer, options: ReadObjectsOptions): Losses {
  const scanner = new Scanner(options);
  scanner.push(bytes);
  return scanner.end();
}

class Scanner {
  readonly #options: ReadObjectsOptions;
  readonly #beginning: Buffer;
  /** Parts of the current object. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #bytes = 0;
  #lostPlaces = 0;
  #lostBytes = 0;
  /** No valid object has come since the last loss. */
  #isLosing = false;
  #isLineEmpty = true;

  constructor(options: ReadObjectsOptions) {
    this.#options = options;
    this.#beginning = Buffer.from(options.beginning);
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.#depth === 0) {
        if (byte === OPEN) {
          this.#depth = 1;
          from = at;
        } else this.#outside(byte);
      } else if (byte === LINE_FEED) {
        this.#add(chunk.subarray(from, at));
        this.#broken();
        this.#lineEnds();
      } else if (this.#ends(byte)) {
        this.#add(chunk.subarray(from, at + 1));
        this.#whole();
      } else if (this.#partBytes + at - from > this.#options.maxBytes) {
        this.#add(chunk.subarray(from, at + 1));
        this.#broken();
      }
    }
    if (this.#depth > 0) this.#add(chunk.subarray(from));
  }

  end(): Losses {
    const isCutShort = this.#depth > 0 && !this.#isLosing && !this.#mayHoldMore();
    if (this.#depth > 0 && !isCutShort) this.#broken();
    return { bytes: this.#bytes, lostPlaces: this.#lostPlaces, lostBytes: this.#lostBytes, isCutShort };
  }

  /** @returns whether this byte ends the object */
  #ends(byte: number): boolean {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === QUOTE) this.#inString = !this.#inString;
    else if (this.#inString) this.#isEscaped = byte === BACKSLASH;
    else if (byte === OPEN) this.#depth++;
    else if (byte === CLOSE) this.#depth--;
    return this.#depth === 0;
  }

  #outside(byte: number): void {
    if (byte === LINE_FEED) this.#lineEnds();
    else if (byte !== SPACE) this.#lose(1);
  }

  #lineEnds(): void {
    // Writers never write empty lines.
    if (this.#isLineEmpty) this.#lose(0);
    this.#isLineEmpty = true;
    this.#isLosing = false;
  }

  #add(part: Buffer): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
  }

  #taken(): Buffer {
    const object = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    this.#depth = 0;
    this.#inString = false;
    this.#isEscaped = false;
    return object;
  }

  #whole(): void {
    const object = this.#taken();
    if (this.#takes(object)) this.#found();
    else this.#salvage(object);
  }

  #broken(): void {
    this.#salvage(this.#taken());
  }

  /** A file that was only truncated has no further object inside the last one. */
  #mayHoldMore(): boolean {
    const object = Buffer.concat(this.#parts);
    return object.includes(0) || object.indexOf(this.#beginning, 1) >= 0;
  }

  /** Finds objects inside a broken part. */
  #salvage(piece: Buffer): void {
    let lostFrom = 0;
    let looks = LOOKS_PER_BYTE * piece.length;
    for (let at = piece.indexOf(this.#beginning, 1); at >= 0 && looks > 0; ) {
      const end = endOfObject(piece, at);
      looks -= (end ?? piece.length) - at;
      const object = end === undefined ? undefined : piece.subarray(at, end);
      const isTaken = object !== undefined && this.#takes(object);
      if (isTaken) {
        this.#lose(at - lostFrom);
        this.#found();
        lostFrom = end as number;
      }
      at = piece.indexOf(this.#beginning, isTaken ? lostFrom : at + 1);
    }
    if (lostFrom < piece.length) this.#lose(piece.length - lostFrom);
  }

  #takes(object: Buffer): boolean {
    return isUtf8(object) && this.#options.take(object.toString());
  }

  #found(): void {
    this.#isLineEmpty = false;
    this.#isLosing = false;
  }

  #lose(bytes: number): void {
    this.#isLineEmpty = false;
    this.#lostBytes += bytes;
    if (!this.#isLosing) this.#lostPlaces++;
    this.#isLosing = true;
  }
}

/** The offset after the brace that closes the object at `from`; undefined if there is none. */
function endOfObject(piece: Buffer, from: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = from; at < piece.length; at++) {
    const byte = piece[at];
    if (inString && byte === BACKSLASH) at++;
    else if (byte === QUOTE) inString = !inString;
    else if (inString) continue;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return at + 1;
  }
  return undefined;
}
