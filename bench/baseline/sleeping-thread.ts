/**
 * The pure cost of notifying another thread: the floor of handing work to a lane. A thread sleeps until it is woken, reports
 * when that was, and sleeps again.
 */
import { Worker } from 'node:worker_threads';
import { monotonicMs } from '../lib/time.ts';
import { type HowWoken, Said, type SleeperData } from './sleeping-thread-memory.ts';

export class SleepingThread {
  readonly #how: HowWoken;
  readonly #said = new Said();
  readonly #thread: Worker;
  #wokenMs = 0;
  #calls = 0;

  private constructor(how: HowWoken) {
    this.#how = how;
    this.#thread = new Worker(new URL('./sleeping-thread.thread.ts', import.meta.url), {
      workerData: { how, memory: this.#said.memory } satisfies SleeperData,
    });
    this.#thread.unref();
  }

  /** Resolves when it sleeps. */
  static async start(how: HowWoken): Promise<SleepingThread> {
    const sleeper = new SleepingThread(how);
    await new Promise<void>((resolve, reject) => {
      sleeper.#thread.once('message', () => resolve());
      sleeper.#thread.once('error', reject);
    });
    return sleeper;
  }

  wake(): void {
    this.#calls++;
    this.#wokenMs = monotonicMs();
    if (this.#how === 'bell') this.#said.ring();
    else this.#thread.postMessage(this.#calls);
  }

  /** How long it took from the last {@link wake} until the thread ran, in ms; undefined while it has not. */
  get tookMs(): number | undefined {
    return this.#calls > 0 && this.#said.answers === this.#calls ? this.#said.atMs - this.#wokenMs : undefined;
  }

  async end(): Promise<void> {
    await this.#thread.terminate();
  }
}
