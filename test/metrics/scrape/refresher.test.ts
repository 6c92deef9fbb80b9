import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/lib/clock.ts';
import { formatOf } from '../../../src/metrics/exposition/format.ts';
import { Refresher } from '../../../src/metrics/scrape/refresher.ts';
import type { ScrapeRequest } from '../../../src/metrics/scrape/scraper.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const REQUEST: ScrapeRequest = { format: formatOf('text004'), collections: ['state', 'usage'], gzip: true };
const OPEN: ScrapeRequest = { ...REQUEST, format: formatOf('openmetrics100') };
/** Of a fleet whose text is made a second ahead. */
const WORKERS = 10_000;

/** A refresher whose work takes time: each step some of the clock's. */
function newRefresher({ steps = 3, stepMs = 1 } = {}) {
  const clock = new FakeClock();
  let spentMs = 0;
  const work: { readonly atMs: number; readonly format: string }[] = [];
  const done: number[] = [];
  // Time passes while a step works, without firing timers.
  const stepped: Clock = {
    monotonicMs: () => clock.monotonicMs() + spentMs,
    wallMs: () => clock.wallMs(),
    after: (delayMs, fn) => clock.after(delayMs, fn),
    every: (periodMs, fn) => clock.every(periodMs, fn),
  };
  const refresher = new Refresher({
    clock: stepped,
    workers: () => WORKERS,
    scraper: {
      *ahead({ format }) {
        for (let step = 0; step < steps; step++) {
          spentMs += stepMs;
          work.push({ atMs: clock.monotonicMs(), format: format.key });
          yield;
        }
        done.push(clock.monotonicMs());
      },
    },
  });
  const scrape = (request = REQUEST) => refresher.scraped(request, stepped.monotonicMs());
  const scrapes = (count: number, request = REQUEST) => {
    for (let n = 0; n < count; n++) {
      if (n > 0) clock.advance(15_000);
      scrape(request);
    }
  };
  return { clock, refresher, scrape, scrapes, work, done };
}

describe('the text of a regular scrape', () => {
  test('is made ahead of the next one, and then no more until the one after it', () => {
    const { clock, scrapes, scrape, done } = newRefresher({ stepMs: 0 });
    scrapes(4);
    expect(done).toEqual([]);
    clock.advance(15_000);
    expect(done).toEqual([59_000, 59_800]);
    scrape();
    clock.advance(10_000);
    expect(done).toHaveLength(2);
  });

  test('is made in slices with pauses as long as they', () => {
    const { clock, scrapes, work, done } = newRefresher({ steps: 30, stepMs: 2 });
    scrapes(4);
    clock.advance(14_500);
    expect(done).toHaveLength(1);
    const slices = Map.groupBy(work, ({ atMs }) => atMs);
    expect(slices.size).toBe(10);
    for (const slice of slices.values()) expect(slice).toHaveLength(3);
    const begins = [...slices.keys()];
    expect(begins.slice(1).map((atMs, index) => atMs - (begins[index] as number))).toEqual(Array(9).fill(6));
  });

  test('is left where it is for an early scrape', () => {
    const { clock, scrapes, scrape, work, done } = newRefresher({ steps: 300, stepMs: 2 });
    scrapes(4);
    clock.advance(14_550);
    expect(work.length).toBeGreaterThan(0);
    scrape();
    const { length } = work;
    clock.advance(12_000);
    expect(work).toHaveLength(length);
    expect(done).toEqual([]);
  });

  test('is made in each format whose scrape is expected, and in no other', () => {
    const { clock, scrape, work } = newRefresher({ stepMs: 0 });
    for (let n = 0; n < 4; n++) {
      clock.advance(5000);
      scrape(OPEN);
      clock.advance(10_000);
      scrape();
    }
    scrape({ ...REQUEST, format: formatOf('protobuf') });
    clock.advance(16_000);
    expect(new Set(work.map(({ format }) => format))).toEqual(new Set([REQUEST.format.key, OPEN.format.key]));
  });

  test('is no longer made when scrapes end, when it is forgotten, or if it is of some workers only', () => {
    const { clock, refresher, scrapes, work } = newRefresher({ stepMs: 0 });
    scrapes(8, { ...REQUEST, workers: ['a'] });
    expect(work).toEqual([]);
    scrapes(8);
    clock.advance(60_000);
    const { length } = work;
    expect(clock.pending).toBe(0);
    clock.advance(3_600_000);
    expect(work).toHaveLength(length);
    scrapes(4);
    refresher.forget();
    expect(clock.pending).toBe(0);
  });
});
