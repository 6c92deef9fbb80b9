/** Waiting, and the clock shared by all processes of this machine. */
import { setTimeout as sleepMs } from 'node:timers/promises';
import { systemClock } from '../../src/lib/clock.ts';

export { sleepMs };

/** CLOCK_MONOTONIC: the same in every process, and the clock of records' times. */
export const monotonicMs = systemClock.monotonicMs;

/** Waits until `isSo`, checking every `everyMs`. @throws if that takes longer than `withinMs` */
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
