/** A terminal without a window: what a program writes is drawn by a real emulator, and read from its screen. */
import { PassThrough, Writable } from 'node:stream';
import xterm from '@xterm/headless';
import { eventually } from './eventually.ts';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export class TestTerminal {
  readonly #emulator: InstanceType<typeof xterm.Terminal>;

  constructor({ columns, rows }: TerminalSize) {
    this.#emulator = new xterm.Terminal({
      cols: columns,
      rows,
      convertEol: true,
      allowProposedApi: true,
      scrollback: 5000,
    });
  }

  /** Resolves when it is on the screen. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#emulator.write(data, resolve));
  }

  /** Every line that was scrolled out or is on the screen, empty ones at the end left out. */
  get text(): string {
    const buffer = this.#emulator.buffer.active;
    const lines = Array.from(
      { length: buffer.length },
      (_, index) => buffer.getLine(index)?.translateToString(true) ?? '',
    );
    return lines.join('\n').trimEnd();
  }

  /** The line of the cursor up to the cursor. */
  get beforeCursor(): string {
    const { active } = this.#emulator.buffer;
    return active.getLine(active.baseY + active.cursorY)?.translateToString(false, 0, active.cursorX) ?? '';
  }

  get lastLine(): string {
    return this.text.slice(this.text.lastIndexOf('\n') + 1);
  }

  /** Resolves when the text of the terminal fits. */
  async shows(fits: string | RegExp): Promise<void> {
    await this.until(() => (typeof fits === 'string' ? this.text.includes(fits) : fits.test(this.text)), fits);
  }

  /** Resolves when the last line is exactly this. */
  async endsWith(line: string): Promise<void> {
    await this.until(() => this.lastLine === line, line);
  }

  async until(holds: () => boolean, what: unknown): Promise<void> {
    try {
      await eventually(holds, 15_000);
    } catch {
      throw new Error(`the terminal never showed ${String(what)}; it shows:\n${this.text}`);
    }
  }
}

/** The two streams of a program in that terminal. */
export function terminalStreams(size: TerminalSize = { columns: 80, rows: 24 }) {
  const terminal = new TestTerminal(size);
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  let written = '';
  const stdout = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written += chunk.toString();
        void terminal.write(chunk).then(() => done());
      },
    }),
    { isTTY: true, ...size },
  );
  return { terminal, stdin, stdout, written: () => written };
}
