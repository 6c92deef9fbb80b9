/** Warm-up: until code is compiled and heaps have grown, figures are too high. How long that takes depends on the machine. */
import type { Size } from './bench.ts';
import type { RunWatch } from './run-watch.ts';

/** Two windows agree if they differ by at most this share of the larger one. */
export const AGREE_WITHIN = 0.1;
const WINDOW_MS = 1000;

export type Warmth = 'cold' | 'warm' | 'never';

/** Whether the last two windows agree, or so many did not that none will. */
export function warmthOf(windows: readonly number[], mostWindows: number): Warmth {
  const [before, last] = windows.slice(-2);
  if (before !== undefined && last !== undefined) {
    const larger = Math.max(Math.abs(before), Math.abs(last));
    if (Math.abs(last - before) <= AGREE_WITHIN * larger) return 'warm';
  }
  return windows.length < mostWindows ? 'cold' : 'never';
}

/**
 * Measures windows until two agree, or reports that they never did.
 * @param window measures for the given ms what should be steady: a rate or a time
 */
export async function warmUp(
  watch: RunWatch,
  { warm, warmWindows }: Size,
  what: string,
  window: (forMs: number) => Promise<number>,
): Promise<void> {
  const windows: number[] = [];
  for (;;) {
    windows.push(await window(WINDOW_MS * warm));
    const warmth = warmthOf(windows, warmWindows);
    if (warmth === 'cold') continue;
    if (warmth === 'never') watch.unsteady.push(what);
    return;
  }
}
