/**
 * The terminal's output, with a footer that stays below everything: the prompt with what is typed, or a live view. Lines
 * printed meanwhile, above all log lines, go above it: the footer is taken away and drawn again.
 *
 * All text goes through `printableLines`; the escape sequences of this folder are written here and by readline alone.
 */
import { Writable } from 'node:stream';
import { printableLines } from '../../lib/printable.ts';
import { wrapLines } from '../text/wrap.ts';

export interface Footer {
  /** What to write to take it away: the cursor is left where the footer began, nothing below it. */
  erase(): string;
  /** Draws it from where the cursor is, at the beginning of a line. */
  draw(): void;
}

/** A terminal's output, or a stream that stands for one. */
export type TerminalOutput = Writable & { readonly columns?: number; readonly rows?: number };

const FALLBACK_SIZE = { columns: 80, rows: 24 };

export class Screen {
  readonly output: TerminalOutput;
  #footer: Footer | undefined;

  constructor(output: TerminalOutput) {
    this.output = output;
  }

  get size(): { columns: number; rows: number } {
    // Both are 0 in a terminal that does not know its size.
    return {
      columns: this.output.columns || FALLBACK_SIZE.columns,
      rows: this.output.rows || FALLBACK_SIZE.rows,
    };
  }

  /** From now on this is kept below what is printed. */
  setFooter(footer: Footer): void {
    this.#footer = footer;
    footer.draw();
  }

  /** What was the footer is part of the text from now on. */
  keepFooter(): void {
    this.#footer = undefined;
  }

  removeFooter(): void {
    const footer = this.#footer;
    this.#footer = undefined;
    if (footer !== undefined) this.output.write(footer.erase());
  }

  /** Prints whole lines, broken between words to fit; the last line end may be left out. */
  print(text: string): void {
    if (text === '') return;
    const lines = printableLines(text.endsWith('\n') ? text : `${text}\n`);
    this.output.write((this.#footer?.erase() ?? '') + wrapLines(lines, this.size.columns));
    this.#footer?.draw();
  }

  /** For a logger: prints whole lines, keeps the beginning of one until its end comes. */
  asWritable(): Writable {
    let rest = '';
    return new Writable({
      decodeStrings: false,
      write: (chunk: string | Buffer, _encoding, done) => {
        const text = rest + chunk.toString();
        const end = text.lastIndexOf('\n') + 1;
        rest = text.slice(end);
        this.print(text.slice(0, end));
        done();
      },
    });
  }
}

/** To the beginning of the line `rows` further up, everything from there on cleared. */
export function eraseUp(rows: number): string {
  return `${rows > 0 ? `\x1b[${rows}A` : ''}\r\x1b[J`;
}

/** A footer of whole lines that are drawn over the ones before without a flicker. */
export class BlockFooter implements Footer {
  readonly #output: Writable;
  readonly #frame: () => readonly string[];
  #drawn = 0;

  /** @param frame lines that fit the terminal, made printable */
  constructor(output: Writable, frame: () => readonly string[]) {
    this.#output = output;
    this.#frame = frame;
  }

  erase(): string {
    const erased = eraseUp(this.#drawn);
    this.#drawn = 0;
    return erased;
  }

  draw(): void {
    const lines = this.#frame();
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r` : '';
    this.#output.write(`${up}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    this.#drawn = lines.length;
  }
}
