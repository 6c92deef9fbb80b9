/** SIGINT and SIGTERM: the first asks for an end, the second one makes it. */
import type { Clock } from '../lib/clock.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** 128 and the signal's number, as a shell has it for a process that a signal ended. */
const CUT_SHORT: Readonly<Record<'SIGINT' | 'SIGTERM', number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * One wish to stop may come twice: whoever signals the whole process group (systemd, timeout) reaches us directly, and
 * again through npm, which passes it on. Nobody types two in this time.
 */
const SAME_WISH_MS = 300;

export class StopSignals {
  readonly #exit: (code: number) => void;
  readonly #clock: Clock;
  #firstMs = Number.NEGATIVE_INFINITY;
  readonly #first = Promise.withResolvers<string>();
  #isListening = false;
  #isStopping = false;
  #hasCrashed = false;

  /** @param exit ends the process at once */
  constructor(exit: (code: number) => void, clock: Clock) {
    this.#exit = exit;
    this.#clock = clock;
  }

  /** Resolves with the first signal, or cause. Until somebody asks, signals end the process as they always do. */
  first(): Promise<string> {
    if (!this.#isListening) {
      this.#isListening = true;
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#take(signal));
    }
    return this.#first.promise;
  }

  /** Like {@link first}, but resolves with undefined if an internal error came first. */
  async firstSignal(): Promise<string | undefined> {
    const cause = await this.first();
    return this.#hasCrashed ? undefined : cause;
  }

  /**
   * From now on SIGHUP asks for an end, too: the terminal is gone. It never makes it: a shell that ends sends a second one
   * behind that of its terminal.
   */
  hangUpEnds(): void {
    process.on('SIGHUP', () => this.#ask('SIGHUP'));
  }

  /** The end was asked for in another way: already the next signal makes it. */
  stopping(): void {
    this.#isStopping = true;
  }

  /** Something in the program went wrong that nothing expects. @returns whether an end in order follows */
  crashed(): boolean {
    this.#hasCrashed = true;
    if (this.#isListening) this.#ask('an internal error');
    return this.#isListening;
  }

  #take(signal: 'SIGINT' | 'SIGTERM'): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#firstMs < SAME_WISH_MS) return;
    if (this.#isStopping) this.#exit(CUT_SHORT[signal]);
    this.#firstMs = nowMs;
    this.#ask(signal);
  }

  #ask(cause: string): void {
    this.#isStopping = true;
    this.#first.resolve(cause);
  }
}
