/**
 * Twin copies: one writer publishes a value of any size; any number of readers copy it out without a lock, and never
 * keep a torn one.
 *
 * Roles: one writing thread (a slot's lane), many reading threads. The value lies twice in memory, as copy 0 and copy 1,
 * beside one control word, the generation. The writer writes the copy that is not current, then makes it current; the
 * store that publishes is the second add in `endWrite`.
 *
 * The generation moves at the begin and at the end of each write: with n writes done it is 2n, during write n + 1 it is
 * 2n + 1. Copy n mod 2 (bit 1 of the generation) is current. It is overwritten by write n + 2, which begins by moving
 * the generation to 2n + 3. So a reader that first saw 2n or 2n + 1, and sees at most 2n + 2 after copying, has a whole
 * value. Counting only ends is wrong: write n + 2 would be seen when it is over, not when it starts.
 *
 * Memory order. The bytes are read and written plainly, so the order must come from the generation:
 * - A reader's first look (Atomics.load) reads what `endWrite` n, or a later add, wrote, and so synchronises with it:
 *   everything of write n happens before the copying.
 * - A reader's second look is a read-modify-write (adding 0), and so is the writer's begin. The two are ordered in the
 *   generation's modification order. If the reader's comes first, the writer's begin of n + 2 reads from it, directly or
 *   through other adds, and synchronises with it: the copying happens before any store of write n + 2, and a read never
 *   sees a store that happens after it. If the writer's begin comes first, the second look sees at least 2n + 3 and the
 *   value is thrown away. With a plain load as second look, neither follows: ARM may do the plain loads of the copying
 *   after it. This is the argument of Boehm, "Can seqlocks get along with programming language memory models?" (2012).
 * Adding 0 changes nothing: the writer stays the only one that changes the word.
 *
 * A writer killed in mid-write leaves an odd generation, 2n + 1, and garbage in the copy that is not current. Its
 * successor calls `mendWrite`, which goes forward to 2n + 4: the same copy stays current, and readers that hold an older
 * generation look again. Going back to 2n would be wrong: a reader from before write n - 1 could take garbage as whole.
 */
import type { Copy } from './layout.ts';

/** The copy to write now; it stays invisible until `endWrite`. */
export function beginWrite(control: Int32Array, word: number): Copy {
  const before = Atomics.add(control, word, 1);
  return (((before >> 1) + 1) & 1) as Copy;
}

export function endWrite(control: Int32Array, word: number): void {
  Atomics.add(control, word, 1);
}

/**
 * For a new writer: takes back the write that its predecessor did not finish, if there is one.
 * @returns whether there was, so that the generation has moved
 */
export function mendWrite(control: Int32Array, word: number): boolean {
  if ((Atomics.load(control, word) & 1) === 0) return false;
  Atomics.add(control, word, 3);
  return true;
}

/** First look: remember it, copy {@link currentCopy}, then ask {@link isWhole}. */
export function beginRead(control: Int32Array, word: number): number {
  return Atomics.load(control, word);
}

export function currentCopy(generation: number): Copy {
  return ((generation >> 1) & 1) as Copy;
}

/** Second look: whether what was copied since `generation` was seen is one whole value. */
export function isWhole(control: Int32Array, word: number, generation: number): boolean {
  const now = Atomics.add(control, word, 0);
  return ((now - (generation & ~1)) | 0) <= 2;
}

/**
 * A reader meets a write only if the writer starts twice while the reader copies: at one heartbeat in 5 s once is
 * already rare. This many times in a row means a flood; the reader then says so instead of spinning.
 */
export const MAX_READ_TRIES = 1000;
