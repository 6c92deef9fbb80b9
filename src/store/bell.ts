/**
 * Wakes a sleeping thread: main rings, the lane waits. Used with a port, whose own wake-up goes through the kernel's
 * event loop and costs more.
 *
 * Two words of shared memory, each with one writer. Waking a sleeping thread costs main 8 µs; a thread that is awake is
 * not woken, which costs nothing.
 *
 * | word     | written by | meaning                                              |
 * |----------|------------|------------------------------------------------------|
 * | `rings`  | main       | number of rings; wraps                               |
 * | `asleep` | the lane   | 1: it may be waiting, and must be woken; 0: it reads `rings` before it waits |
 *
 * Each side writes its own word before it reads the other's; all accesses are sequentially consistent:
 *
 * | step | the lane                                              | step | main                                   |
 * |------|-------------------------------------------------------|------|----------------------------------------|
 * | L1   | seen ← `rings`                                        | M1   | posts a message                        |
 * | L2   | takes messages until there are none                   | M2   | `rings` ← `rings` + 1                  |
 * | L3   | `asleep` ← 1                                          | M3   | if `asleep` is 1:                      |
 * | L4   | waits if `rings` = seen (one atomic step)             | M4   | wakes the waiting thread               |
 * | L5   | `asleep` ← 0, and again from L1                       |      |                                        |
 *
 * No message is missed. A message that L2 did not find was posted after L2's last look, so its M2 comes after L1. If M2
 * comes before L4, L4 finds `rings` changed and does not wait. If it comes after L4, so does M3, which reads what L3
 * wrote, and M4 wakes the lane. (`test/store/bell.test.ts` runs this code through all interleavings.)
 *
 * This requires a single lane per bell: an abandoned thread that still runs could undo what its successor wrote in L3.
 * So each thread gets its own bell.
 */

/** The memory, as passed to the lane. */
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

  /** Call after a message was posted. */
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

  /** The number of rings; to be read before messages are taken. */
  get rings(): number {
    return Atomics.load(this.#words, RINGS);
  }

  /** Blocks the thread until the bell is rung after `rings` was read. */
  waitBeyond(rings: number): void {
    Atomics.store(this.#words, ASLEEP, 1);
    Atomics.wait(this.#words, RINGS, rings);
    this.awake();
  }

  /**
   * Resolves at the same time, without blocking the thread; undefined if the bell was rung already. Afterwards call
   * {@link awake}.
   */
  rungBeyond(rings: number): Promise<unknown> | undefined {
    Atomics.store(this.#words, ASLEEP, 1);
    const rung = Atomics.waitAsync(this.#words, RINGS, rings);
    return rung.async ? rung.value : undefined;
  }

  /** The thread is awake and need not be woken. */
  awake(): void {
    Atomics.store(this.#words, ASLEEP, 0);
  }
}
