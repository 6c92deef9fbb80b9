/** A writer that is killed between two changes of shared memory, as the thread of a lane may be. */
import { vi } from 'vitest';

/** What `before` throws to kill it. */
export const killed = new Error('killed');

/** Calls `before` ahead of each change of a word by `work`, and ends it where that throws. @returns whether it did */
export function interrupted(before: () => void, work: () => void): boolean {
  // Others may look at the words meanwhile, which is no change by `work`.
  let isInside = false;
  for (const method of ['add', 'store'] as const) {
    const real = Atomics[method].bind(Atomics) as (...args: unknown[]) => number;
    vi.spyOn(Atomics, method).mockImplementation(((...args: unknown[]) => {
      if (!isInside) {
        isInside = true;
        try {
          before();
        } finally {
          isInside = false;
        }
      }
      return real(...args);
    }) as never);
  }
  try {
    work();
    return false;
  } catch (error) {
    if (error !== killed) throw error;
    return true;
  } finally {
    vi.restoreAllMocks();
  }
}

/** Runs `work`, which is killed ahead of its change number `nth`, counted from 0. @returns whether it came that far */
export function diesAt(nth: number, work: () => void): boolean {
  let changes = 0;
  return interrupted(() => {
    if (changes++ >= nth) throw killed;
  }, work);
}
