/**
 * Wakes a thread that sleeps: main rings, the lane waits. Beside a port it saves the port's own way of waking, through the
 * kernel's event loop, which costs main 8 µs a message and the lane as much; this costs 2.
 *
 * Roles: main alone changes the word, by ringing it after a message was posted; one lane waits on it. Who looks at the word
 * first, then takes all messages, and then waits for another value, sleeps through none: a message posted meanwhile has
 * changed the word already.
 */

/** The memory itself, as it is handed to the lane. */
export type Bell = SharedArrayBuffer;

export function newBell(): Bell {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

export class BellRinger {
  readonly #word: Int32Array;

  constructor(bell: Bell) {
    this.#word = new Int32Array(bell);
  }

  ring(): void {
    Atomics.add(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }
}

export class BellWaiter {
  readonly #word: Int32Array;

  constructor(bell: Bell) {
    this.#word = new Int32Array(bell);
  }

  /** What to remember before messages are taken. */
  get rings(): number {
    return Atomics.load(this.#word, 0);
  }

  /** Blocks the thread until the bell has been rung since `rings` was looked at. */
  waitBeyond(rings: number): void {
    Atomics.wait(this.#word, 0, rings);
  }

  /** Resolves when that has happened, without blocking the thread; undefined if it has already. */
  rungBeyond(rings: number): Promise<unknown> | undefined {
    const rung = Atomics.waitAsync(this.#word, 0, rings);
    return rung.async ? rung.value : undefined;
  }
}
