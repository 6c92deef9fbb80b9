/** Waiting for what must come about, instead of for a time. */
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves with the first value of `look` that is neither undefined nor false; fails after `withinMs`. */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 20_000,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > endMs) throw new Error(`it did not come about within ${withinMs} ms: ${look}`);
    await delay(5);
  }
}
