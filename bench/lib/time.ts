/** Waiting, and the clock that all processes of this machine share. */
import { setTimeout as sleepMs } from 'node:timers/promises';
import { systemClock } from '../../src/lib/clock.ts';

export { sleepMs };

/** CLOCK_MONOTONIC: the same in every process, and what the product stamps its records with. */
export const monotonicMs = systemClock.monotonicMs;

/** Waits until `isSo`, asking every `everyMs`. @throws if it is not within `withinMs`. */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  { withinMs = 120_000, everyMs = 20 } = {},
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleepMs(everyMs);
  }
}
