/**
 * Wakes a thread that sleeps: main rings, the lane waits. Beside a port it saves the port's own way of waking, through the
 * kernel's event loop.
 *
 * Two words of shared memory, each with one writer. Waking a thread that sleeps costs main 8 µs; one that is awake is not
 * woken, which costs nothing.
 *
 * | word     | written by | means                                                |
 * |----------|------------|------------------------------------------------------|
 * | `rings`  | main       | how often it rang; wraps                             |
 * | `asleep` | the lane   | 1: it may be waiting, and must be woken; 0: it looks at `rings` before it waits |
 *
 * Both sides write their own word before they read the other's, and all of it is sequentially consistent:
 *
 * | step | the lane                                              | step | main                                   |
 * |------|-------------------------------------------------------|------|----------------------------------------|
 * | L1   | seen ← `rings`                                        | M1   | posts a message                        |
 * | L2   | takes messages until there are none                   | M2   | `rings` ← `rings` + 1                  |
 * | L3   | `asleep` ← 1                                          | M3   | if `asleep` is 1:                      |
 * | L4   | waits, unless `rings` is not seen (one atomic step)   | M4   | wakes whoever waits                    |
 * | L5   | `asleep` ← 0, and again from L1                       |      |                                        |
 *
 * No message is slept through. One that L2 did not find was posted after L2's last look, so its M2 comes after L1. If M2
 * comes before L4, L4 finds `rings` changed and does not wait. If it comes after L4, so does M3, which finds what L3 wrote:
 * M4 wakes the lane. (`test/store/bell.test.ts` runs this code through all interleavings.)
 *
 * That needs one lane at each bell: a thread that was given up and still runs would take back what its successor wrote in
 * L3. So each thread gets a bell of its own.
 */

/** The memory itself, as it is handed to the lane. */
export type Bell = SharedArrayBuffer;

const RINGS = 0;
const ASLEEP = 1;
const WORDS = 2;

export function newBell(): Bell {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

export class BellRinger {
  readonly #words: Int32Array;

  constructor(bell: Bell) {
    this.#words = new Int32Array(bell);
  }

  /** After a message was posted. */
  ring(): void {
    Atomics.add(this.#words, RINGS, 1);
    if (Atomics.load(this.#words, ASLEEP) === 1) Atomics.notify(this.#words, RINGS);
  }
}

export class BellWaiter {
  readonly #words: Int32Array;

  constructor(bell: Bell) {
    this.#words = new Int32Array(bell);
  }

  /** What to remember before messages are taken. */
  get rings(): number {
    return Atomics.load(this.#words, RINGS);
  }

  /** Blocks the thread until the bell has been rung since `rings` was looked at. */
  waitBeyond(rings: number): void {
    Atomics.store(this.#words, ASLEEP, 1);
    Atomics.wait(this.#words, RINGS, rings);
    this.awake();
  }

  /**
   * Resolves when that has happened, without blocking the thread; undefined if it has already. Whoever goes on then says
   * that it is {@link awake}.
   */
  rungBeyond(rings: number): Promise<unknown> | undefined {
    Atomics.store(this.#words, ASLEEP, 1);
    const rung = Atomics.waitAsync(this.#words, RINGS, rings);
    return rung.async ? rung.value : undefined;
  }

  /** It need not be woken. */
  awake(): void {
    Atomics.store(this.#words, ASLEEP, 0);
  }
}
