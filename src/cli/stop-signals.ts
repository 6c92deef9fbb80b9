/** SIGINT and SIGTERM: the first asks for an end, the second one makes it. */

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** 128 and the signal's number, as a shell has it for a process that a signal ended. */
const CUT_SHORT: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

export class StopSignals {
  readonly #exit: (code: number) => void;
  readonly #first = Promise.withResolvers<StopSignal>();
  #isListening = false;
  #isStopping = false;

  /** @param exit ends the process at once */
  constructor(exit: (code: number) => void) {
    this.#exit = exit;
  }

  /** Resolves with the first signal. Until somebody asks, signals end the process as they always do. */
  first(): Promise<StopSignal> {
    if (!this.#isListening) {
      this.#isListening = true;
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#take(signal));
    }
    return this.#first.promise;
  }

  /** The end was asked for in another way: already the next signal makes it. */
  stopping(): void {
    this.#isStopping = true;
  }

  #take(signal: StopSignal): void {
    if (this.#isStopping) this.#exit(CUT_SHORT[signal]);
    this.#isStopping = true;
    this.#first.resolve(signal);
  }
}
