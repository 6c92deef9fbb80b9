/** Shows the progress of a bench: one changing line on a terminal, otherwise one line per step. */
import type { WriteStream } from 'node:tty';

export type ProgressStream = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

const REDRAW_EVERY_MS = 1000;
const TO_BEGIN_OF_LINE_AND_CLEAR = '\r\u001b[K';

export class Progress {
  readonly #stream: ProgressStream;
  readonly #parts: number;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #part = 0;
  #line = '';

  /** @param parts the number of parts; `next` starts each */
  constructor(stream: ProgressStream, parts: number) {
    this.#stream = stream;
    this.#parts = parts;
    if (stream.isTTY) this.#timer = setInterval(() => this.#draw(), REDRAW_EVERY_MS).unref();
  }

  get elapsed(): string {
    return `${((performance.now() - this.#startMs) / 1000).toFixed(0)} s`;
  }

  next(): void {
    this.#part++;
  }

  say(line: string): void {
    this.#line = line;
    if (this.#stream.isTTY) this.#draw();
    else this.#stream.write(`${this.elapsed.padStart(5)}  ${line}\n`);
  }

  /** Call it before writing anything else. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write(TO_BEGIN_OF_LINE_AND_CLEAR);
  }

  end(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    if (this.#line === '') return;
    const text = `${this.elapsed.padStart(5)}  ${this.#part}/${this.#parts}  ${this.#line}`;
    // A wrapped line could not be cleared.
    this.#stream.write(TO_BEGIN_OF_LINE_AND_CLEAR + text.slice(0, (this.#stream.columns ?? 80) - 1));
  }
}
