import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedScrapes, leadMsFor, nextRefreshMs } from '../../../src/metrics/scrape/rhythm.ts';

/** Every `periodMs`, from `fromMs` on. */
const every = (periodMs: number, count: number, fromMs = 0) =>
  Array.from({ length: count }, (_, n) => fromMs + n * periodMs);
const together = (...times: number[][]) => times.flat().sort((one, other) => one - other);
const from = (times: readonly number[], nowMs = times.at(-1) as number) => expectedScrapes(times, nowMs, 0);

describe('the next scrapes', () => {
  test('are expected after four with equal distances, and no fewer', () => {
    expect(from(every(15_000, 3))).toEqual([]);
    expect(from(every(15_000, 4))).toEqual([60_000, 75_000]);
  });

  test('are expected of each of several scrapers', () => {
    const expected = from(together(every(15_000, 6), every(15_000, 5, 4000), every(10_000, 8, 1000)));
    for (const atMs of [90_000, 79_000, 81_000]) expect(expected).toContain(atMs);
  });

  test('are expected of one that is a little late at times, also beside a person who asks at any time', () => {
    const expected = from(together([0, 15_010, 30_000, 45_120, 60_030], [7000, 9100, 48_000]));
    expect(Math.min(...expected.map((atMs) => Math.abs(atMs - 75_000)))).toBeLessThan(100);
  });

  test('are not expected of somebody who asks at any time', () => {
    expect(from([0, 4000, 5000, 19_000, 21_000, 40_000, 47_000])).toEqual([]);
  });

  test('may fail once; after that, none is expected', () => {
    const times = every(15_000, 8);
    const after = (ms: number) => from(times, 105_000 + ms);
    expect(after(15_001)).toEqual([135_000]);
    expect(after(30_001)).toEqual([]);
    expect(from([...times, 135_000])).toContain(150_000);
  });

  test('come in both rhythms when a scraper begins anew', () => {
    expect(from(together(every(15_000, 5), every(15_000, 4, 67_000)))).toContain(127_000);
  });

  test('are only a few, whenever there were scrapes', () => {
    const times = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 32 });
    fc.assert(
      fc.property(times, (any) => {
        const times = together(any);
        const expected = from(times, 100_000);
        expect(expected.length).toBeLessThanOrEqual(2 * times.length);
        for (const atMs of expected) expect(atMs).toBeLessThanOrEqual(200_000);
      }),
    );
  });
});

describe('text is made', () => {
  const leadMs = leadMsFor(10_000);
  /** When it would be made without scrapes after `times`. */
  function refreshes(timesMs: readonly number[]): number[] {
    const all: number[] = [];
    let madeMs = timesMs.at(-1) as number;
    for (;;) {
      const nextMs = nextRefreshMs({ timesMs, madeMs, leadMs }, madeMs);
      if (nextMs === undefined) return all;
      all.push(nextMs);
      madeMs = nextMs;
    }
  }

  test('before an expected scrape, and once more if it is late; not at all when nobody asks any more', () => {
    expect(leadMs).toBe(1000);
    expect(refreshes(every(15_000, 5))).toEqual([74_000, 74_800, 75_600, 89_000, 89_800, 90_600]);
    expect(refreshes(every(15_000, 2))).toEqual([]);
  });

  test('at once if it is due', () => {
    expect(nextRefreshMs({ timesMs: every(15_000, 5), madeMs: 60_000, leadMs }, 74_500)).toBe(74_500);
  });

  test('no more often than it becomes old, however many scrapers there are', () => {
    const times = together(...Array.from({ length: 8 }, (_, n) => every(3000, 4, 250 * n)));
    const made = refreshes(times);
    const pauses = made.map((atMs, index) => atMs - (made[index - 1] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThan(0.2 * leadMs);
  });

  test('not ahead of scrapes that come faster', () => {
    const timesMs = every(200, 32);
    const nowMs = timesMs.at(-1) as number;
    expect(nextRefreshMs({ timesMs, madeMs: nowMs, leadMs }, nowMs)).toBeGreaterThan(nowMs + 200);
  });
});
