/**
 * A seqlock with two copies: one writer publishes a value of any size; any number of readers copy it without a lock and
 * detect torn copies.
 *
 * One thread writes (a slot's lane), many read. The value exists twice in memory, as copy 0 and copy 1, with one
 * control word, the generation. The writer writes the copy that is not current, then makes it current; the store that
 * publishes is the second add, in `endWrite`.
 *
 * The generation increases at the begin and at the end of each write: after n writes it is 2n, during write n + 1 it is
 * 2n + 1. Copy n mod 2 (bit 1 of the generation) is current. It is overwritten by write n + 2, which begins by
 * increasing the generation to 2n + 3. So a reader that first saw 2n or 2n + 1, and sees at most 2n + 2 after copying,
 * has a whole value. Counting only ends would be wrong: write n + 2 would be seen when it is over, not when it starts.
 *
 * Memory order. The bytes are read and written plainly, so the order must come from the generation:
 * - A reader's first look (Atomics.load) reads what `endWrite` n, or a later add, wrote, and so synchronises with it:
 *   everything of write n happens before the copying.
 * - A reader's second look is a read-modify-write (adding 0), and so is the writer's begin. The two are ordered in the
 *   generation's modification order. If the reader's comes first, the writer's begin of n + 2 reads from it, directly
 *   or through other adds, and synchronises with it: the copying happens before any store of write n + 2, and a read
 *   never sees a store that happens after it. If the writer's begin comes first, the second look sees at least 2n + 3,
 *   and the value is discarded. With a plain load as second look, neither follows: ARM may do the plain loads of the
 *   copying after it. This is the argument of Boehm, "Can seqlocks get along with programming language memory models?"
 *   (2012).
 * Adding 0 changes nothing, so the writer remains the only one that changes the word.
 *
 * A writer killed during a write leaves an odd generation, 2n + 1, and garbage in the copy that is not current. Its
 * successor calls `mendWrite`, which increases the generation to 2n + 4: the same copy stays current, and readers that
 * hold an older generation retry. Going back to 2n would be wrong: a reader from before write n - 1 could accept
 * garbage.
 */
import type { Copy } from './layout.ts';

/** Returns the copy to write; it stays invisible until `endWrite`. */
export function beginWrite(control: Int32Array, word: number): Copy {
  const before = Atomics.add(control, word, 1);
  return (((before >> 1) + 1) & 1) as Copy;
}

export function endWrite(control: Int32Array, word: number): void {
  Atomics.add(control, word, 1);
}

/**
 * For a new writer: cancels the unfinished write of its predecessor, if any.
 * @returns whether there was one, so that the generation has changed
 */
export function mendWrite(control: Int32Array, word: number): boolean {
  if ((Atomics.load(control, word) & 1) === 0) return false;
  Atomics.add(control, word, 3);
  return true;
}

/** First look: remember the result, copy {@link currentCopy}, then call {@link isWhole}. */
export function beginRead(control: Int32Array, word: number): number {
  return Atomics.load(control, word);
}

export function currentCopy(generation: number): Copy {
  return ((generation >> 1) & 1) as Copy;
}

/** Second look: whether the value copied since `generation` was read is whole. */
export function isWhole(control: Int32Array, word: number, generation: number): boolean {
  const now = Atomics.add(control, word, 0);
  return ((now - (generation & ~1)) | 0) <= 2;
}

/**
 * A read fails only if the writer starts twice during the copying; at one heartbeat per 5 s even one start is rare.
 * This many failures in a row mean a flood; the reader then throws instead of spinning.
 */
export const MAX_READ_TRIES = 1000;
