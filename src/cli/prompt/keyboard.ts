/**
 * The keys typed at the terminal, on their way to node:readline. Readline echoes what it gets at once, so it must get
 * nothing while a command runs: that would tear the command's output. What is typed meanwhile waits here.
 *
 * | mode   | keys go                                                      | entered by                        |
 * |--------|--------------------------------------------------------------|-----------------------------------|
 * | held   | nowhere yet; Ctrl-C is told at once                          | the end of a line, or of `nextKey` |
 * | prompt | to readline, up to the end of a line                         | `release`                         |
 * | keys   | to whoever captured them, once                               | `nextKey`                         |
 */
import { Readable } from 'node:stream';

/** A terminal's input, or a stream that stands for one. */
export type KeySource = NodeJS.ReadableStream & { readonly isRaw?: boolean; setRawMode?(mode: boolean): unknown };

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface KeyboardOptions {
  /** Ctrl-C was typed while keys are held; at the prompt, readline tells of it. */
  readonly onInterrupt: () => void;
  /** Ctrl-D was typed at the prompt. @returns whether that is all there is to it; if not, readline gets it */
  readonly onCtrlD: () => boolean;
}

export class Keyboard extends Readable {
  readonly #source: KeySource;
  readonly #options: KeyboardOptions;
  #mode: 'held' | 'prompt' | 'keys' = 'held';
  #waiting: Buffer = Buffer.alloc(0);
  #hasEnded = false;
  #gotKey: () => void = () => {};
  readonly #onData = (chunk: Buffer | string) => this.#take(Buffer.from(chunk as string));
  readonly #onEnd = () => this.#end();

  constructor(source: KeySource, options: KeyboardOptions) {
    super();
    this.#source = source;
    this.#options = options;
    source.on('data', this.#onData);
    source.on('end', this.#onEnd);
    source.on('close', this.#onEnd);
    source.on('error', this.#onEnd);
  }

  /** Readline asks for these two. */
  get isRaw(): boolean {
    return this.#source.isRaw === true;
  }

  setRawMode(mode: boolean): this {
    this.#source.setRawMode?.(mode);
    return this;
  }

  override _read(): void {
    // Keys come when they come.
  }

  /** Lets readline have the keys of the next line. */
  release(): void {
    this.#mode = 'prompt';
    this.#pass();
  }

  /** Resolves when a key was pressed, or none can be any more. The key itself is swallowed. */
  nextKey(): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    this.#mode = 'keys';
    return new Promise((resolve) => {
      this.#gotKey = resolve;
    });
  }

  /** Lets go of the source, so that it no longer keeps the process alive. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.off('data', this.#onData);
    this.#source.off('end', this.#onEnd);
    this.#source.off('close', this.#onEnd);
    this.#source.pause();
    this.#endCapture();
    callback(error);
  }

  #take(chunk: Buffer): void {
    if (this.#mode === 'keys') {
      this.#endCapture();
      return;
    }
    const interrupted = this.#mode === 'held' && chunk.includes(CTRL_C);
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    if (interrupted) this.#options.onInterrupt();
    this.#pass();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#endCapture();
    this.#pass();
  }

  #endCapture(): void {
    if (this.#mode === 'keys') this.#mode = 'held';
    this.#gotKey();
  }

  #pass(): void {
    if (this.#mode !== 'prompt') return;
    const end = lineEnd(this.#waiting);
    const keys = this.#waiting.subarray(0, end);
    this.#waiting = this.#waiting.subarray(keys.length);
    if (end !== undefined) this.#mode = 'held';
    this.#hand(keys);
    if (this.#hasEnded && this.#waiting.length === 0 && this.#mode === 'prompt') this.push(null);
  }

  /** Readline has what came before Ctrl-D when somebody decides what that means: it depends on what is typed. */
  #hand(keys: Buffer): void {
    let from = 0;
    for (let at = keys.indexOf(CTRL_D); at >= 0; at = keys.indexOf(CTRL_D, at + 1)) {
      if (at > from) this.push(keys.subarray(from, at));
      from = this.#options.onCtrlD() ? at + 1 : at;
      if (this.destroyed) return;
    }
    if (keys.length > from) this.push(keys.subarray(from));
  }
}

/** Where the first line ends, its line end included; undefined if it does not. Both bytes occur in no other character. */
function lineEnd(keys: Buffer): number | undefined {
  const at = keys.findIndex((byte) => byte === CARRIAGE_RETURN || byte === LINE_FEED);
  if (at < 0) return undefined;
  return keys[at] === CARRIAGE_RETURN && keys[at + 1] === LINE_FEED ? at + 2 : at + 1;
}
