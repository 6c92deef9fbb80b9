/**
 * Memory shared by main and a sleeping thread: the bell, which only main changes, and the count of wake-ups, which the thread
 * changes after it has written the time.
 */

/** How it is woken: through shared memory on which it waits, or by a message to its event loop. */
export type HowWoken = 'bell' | 'port';

export interface SleeperData {
  readonly how: HowWoken;
  readonly memory: SharedArrayBuffer;
}

const BELL = 0;
const ANSWERS = 1;
const AT_MS = 1;

export class Said {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;

  constructor(memory = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
  }

  ring(): void {
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
  }

  /** Blocks the thread until the bell has been rung more often than the given count. */
  waitBeyond(rings: number): void {
    Atomics.wait(this.#words, BELL, rings);
  }

  get rings(): number {
    return Atomics.load(this.#words, BELL);
  }

  answer(atMs: number): void {
    this.#numbers[AT_MS] = atMs;
    Atomics.add(this.#words, ANSWERS, 1);
  }

  get answers(): number {
    return Atomics.load(this.#words, ANSWERS);
  }

  /** When the thread last woke up. */
  get atMs(): number {
    return this.#numbers[AT_MS] as number;
  }
}
