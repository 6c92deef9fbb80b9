import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FULL } from '../../bench/lib/bench.ts';
import { RunWatch } from '../../bench/lib/run-watch.ts';
import { AGREE_WITHIN, warmthOf as warmthOfAtMost, warmUp } from '../../bench/lib/warm-up.ts';

const MOST_WINDOWS = FULL.warmWindows;
const warmthOf = (windows: readonly number[]) => warmthOfAtMost(windows, MOST_WINDOWS);

describe('windows', () => {
  test('are warm as soon as the last two agree', () => {
    expect(warmthOf([])).toBe('cold');
    expect(warmthOf([100])).toBe('cold');
    expect(warmthOf([50, 100])).toBe('cold');
    expect(warmthOf([50, 100, 91])).toBe('warm');
    expect(warmthOf([50, 100, 89])).toBe('cold');
    expect(warmthOf([100, 100, 50])).toBe('cold');
  });

  test('never become warm when so many have not', () => {
    const restless = (count: number) => Array.from({ length: count }, (_, i) => 2 ** i);
    expect(warmthOf(restless(MOST_WINDOWS - 1))).toBe('cold');
    expect(warmthOf(restless(MOST_WINDOWS))).toBe('never');
    expect(warmthOf([...restless(MOST_WINDOWS - 1), 2 ** (MOST_WINDOWS - 2)])).toBe('warm');
  });

  test('agree in whichever order they come, and by their ratio alone', () => {
    const rate = fc.double({ min: 1e-3, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(rate, rate, (a, b) => {
        expect(warmthOf([a, b])).toBe(warmthOf([b, a]));
        const difference = Math.abs(a - b) / Math.max(a, b);
        // Where rounding decides, either may be said.
        if (Math.abs(difference - AGREE_WITHIN) > 1e-9)
          expect(warmthOf([a, b])).toBe(difference < AGREE_WITHIN ? 'warm' : 'cold');
      }),
    );
  });
});

describe('warming up', () => {
  test('measures until two windows agree', async () => {
    const rates = [10, 20, 40, 41, 80];
    const watch = new RunWatch();
    await warmUp(watch, FULL, 'it', async () => rates.shift() ?? 0);
    expect(rates).toEqual([80]);
    expect(watch.unsteady).toEqual([]);
  });

  test('ends, and says so, when none ever do', async () => {
    let windows = 0;
    const watch = new RunWatch();
    await warmUp(watch, FULL, 'it', async () => 2 ** ++windows);
    expect(windows).toBe(MOST_WINDOWS);
    expect(watch.unsteady).toEqual(['it']);
  });
});
