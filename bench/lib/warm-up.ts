/** Until code is compiled and heaps have grown, figures are those of a start. How long that takes differs by machine. */
import type { Size } from './bench.ts';
import type { RunWatch } from './run-watch.ts';

/** Two windows agree that differ by no more than this share of the larger one. */
export const AGREE_WITHIN = 0.1;
const WINDOW_MS = 1000;

export type Warmth = 'cold' | 'warm' | 'never';

/** Whether the last two of the windows agree, or so many have not that they never will. */
export function warmthOf(windows: readonly number[], mostWindows: number): Warmth {
  const [before, last] = windows.slice(-2);
  if (before !== undefined && last !== undefined) {
    const larger = Math.max(Math.abs(before), Math.abs(last));
    if (Math.abs(last - before) <= AGREE_WITHIN * larger) return 'warm';
  }
  return windows.length < mostWindows ? 'cold' : 'never';
}

/**
 * Measures one window after the other until two agree, or says that they never did.
 * @param window measures for so many ms what shall be steady: a rate, a time
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
