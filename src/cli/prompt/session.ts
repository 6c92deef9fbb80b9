/** The prompt in the master's terminal: reads a line, runs it, prints what came of it, until somebody ends it. */
import { createInterface, type Interface } from 'node:readline';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import { plainPage } from '../text/page.ts';
import type { Size } from '../views/live-text.ts';
import type { PromptContext } from './command.ts';
import { complete } from './complete.ts';
import { dispatch } from './dispatch.ts';
import { Keyboard, type KeySource } from './keyboard.ts';
import { BlockFooter, eraseUp, type Footer, type Screen } from './screen.ts';

export interface PromptSessionOptions {
  readonly input: KeySource;
  readonly screen: Screen;
  readonly context: Omit<PromptContext, 'live' | 'exit' | 'exitNow' | 'page'>;
  /** Lines of earlier sessions, newest first. */
  readonly history?: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Workers that would be without a master: while there are any, it is stopped only when that is asked for twice. */
  readonly connectedWorkers: () => number;
  /** Whether the terminal was opened for this master alone: then Ctrl-D stops it. Else it only ends the prompt. */
  readonly isOwnTerminal: boolean;
  /** Somebody wants the master to stop: `exit`, Ctrl-C on an empty line; or the terminal is gone. */
  readonly onExit: () => void;
}

/** How people ask for the end, and what they do to ask for it again. */
type ExitKey = 'exit' | 'Ctrl-C' | 'Ctrl-D';

export const PROMPT = 'master> ';
/** Enough for a day's work, little enough to read in at once. */
export const HISTORY_LINES = 500;
const FRAME_EVERY_MS = 1000;

export class PromptSession {
  readonly #screen: Screen;
  readonly #keyboard: Keyboard;
  readonly #readline: Interface;
  readonly #footer: Footer;
  readonly #context: PromptContext;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connectedWorkers: () => number;
  readonly #isOwnTerminal: boolean;
  readonly #onExit: () => void;
  #history: readonly string[];
  #isClosed = false;
  /** The end was asked for, and nothing else has been typed since. */
  #isAsked = false;

  constructor(options: PromptSessionOptions) {
    const { input, screen, context, history = [], clock, logger, connectedWorkers, isOwnTerminal, onExit } = options;
    this.#screen = screen;
    this.#clock = clock;
    this.#logger = logger;
    this.#connectedWorkers = connectedWorkers;
    this.#isOwnTerminal = isOwnTerminal;
    this.#onExit = onExit;
    this.#history = history;
    this.#context = {
      ...context,
      page: () => plainPage(screen.size.columns),
      live: (frame) => this.#live(frame),
      exit: () => this.#exitIfMeant('exit'),
      exitNow: () => this.#exit(),
    };
    this.#keyboard = new Keyboard(input, {
      onInterrupt: () => this.#exitByKey('Ctrl-C'),
      onCtrlD: () => this.#ctrlD(),
    });
    this.#readline = createInterface({
      input: this.#keyboard,
      output: screen.output,
      terminal: true,
      prompt: PROMPT,
      history: [...history],
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
      // The keyboard hands over "\r\n" as the one line end that it is.
      crlfDelay: Number.POSITIVE_INFINITY,
      completer: (line: string) => complete(line, this.#context),
    });
    this.#footer = promptFooter(this.#readline, screen);
    this.#readline.on('line', (line) => void this.#run(line));
    this.#readline.on('history', (lines) => {
      this.#history = [...lines];
    });
    this.#readline.on('SIGINT', () => this.#interrupt());
    this.#readline.on('SIGCONT', () => this.#readline.prompt(true));
    // The terminal is gone.
    this.#readline.on('close', () => this.#exit());
  }

  /** Newest first. */
  get history(): readonly string[] {
    return this.#history;
  }

  /** Shows the prompt. */
  start(): void {
    this.#ask();
  }

  /** Takes the prompt away; what is printed later goes out all the same. Safe to call again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#screen.removeFooter();
    this.#readline.close();
    this.#keyboard.destroy();
  }

  #exit(): void {
    if (this.#isClosed) return;
    this.close();
    this.#onExit();
  }

  /** @returns what to say if it is not clear yet that it is meant */
  #exitIfMeant(key: ExitKey): string | undefined {
    const workers = this.#isAsked ? 0 : this.#connectedWorkers();
    if (workers === 0) {
      this.#exit();
      return undefined;
    }
    this.#isAsked = true;
    return exitQuestion(workers, key);
  }

  #exitByKey(key: ExitKey): void {
    const question = this.#exitIfMeant(key);
    if (question !== undefined) this.#screen.print(question);
  }

  /** @returns whether it is done with; in a line that is not empty, readline deletes by it. */
  #ctrlD(): boolean {
    if (this.#readline.line !== '') return false;
    if (this.#isOwnTerminal) {
      this.#exitByKey('Ctrl-D');
      return true;
    }
    this.close();
    this.#screen.print(`The prompt is closed; the master goes on. End it with Ctrl-C or kill ${process.pid}.`);
    return true;
  }

  #ask(): void {
    if (this.#isClosed) return;
    this.#screen.setFooter(this.#footer);
    this.#keyboard.release();
  }

  /** Never rejects. */
  async #run(line: string): Promise<void> {
    // Readline has moved on to a new line: what was typed is part of the text now.
    this.#screen.keepFooter();
    const wasAsked = this.#isAsked;
    const text = await dispatch(line, this.#context, this.#logger);
    // Whatever else is typed takes the question back.
    if (wasAsked && this.#isAsked && !this.#isClosed) {
      this.#isAsked = false;
      this.#screen.print('The exit is cancelled.');
    }
    if (text !== undefined) this.#screen.print(text);
    this.#ask();
  }

  #interrupt(): void {
    if (this.#readline.line === '') {
      this.#exitByKey('Ctrl-C');
      return;
    }
    this.#readline.write(null, { ctrl: true, name: 'e' });
    this.#readline.write(null, { ctrl: true, name: 'u' });
  }

  async #live(frame: (size: Size) => string[]): Promise<void> {
    const block = new BlockFooter(this.#screen.output, () => frame(this.#screen.size));
    this.#screen.setFooter(block);
    const timer = this.#clock.every(FRAME_EVERY_MS, () => block.draw());
    await this.#keyboard.nextKey();
    timer.cancel();
    this.#screen.keepFooter();
  }
}

function exitQuestion(workers: number, key: ExitKey): string {
  const connected = workers === 1 ? '1 worker is connected' : `${workers} workers are connected`;
  const again = key === 'exit' ? 'Type exit again' : `Press ${key} again`;
  return `${connected}. ${again} to stop the master (exit!: at once).`;
}

/** The prompt and what is typed, which may reach over several rows of the terminal. */
function promptFooter(readline: Interface, screen: Screen): Footer {
  return {
    erase: () => eraseUp(readline.getCursorPos().rows),
    draw() {
      // Readline goes up by the rows it believes to be below; it is given them.
      screen.output.write('\n'.repeat(readline.getCursorPos().rows));
      readline.prompt(true);
    },
  };
}
