import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Expiry, HOLD_MS, nextExpiry, startExpiry } from '../../src/history/expiry.ts';
import { repetitions } from '../support/repetitions.ts';
import { DAY, HOUR, MINUTE, START_MS } from './history-data.ts';

const YEARS = 5 * 365 * DAY;
const at = (monotonicMs: number, wallMs = START_MS + monotonicMs) => ({ monotonicMs, wallMs });

/** What it says every ten seconds, with the clock off by `byMs` from `fromMs` on. */
function follow(expiry: Expiry, byMs: number, fromMs: number, forMs: number): Expiry {
  let next = expiry;
  for (let ms = fromMs; ms <= fromMs + forMs; ms += 10_000) next = nextExpiry(next, at(ms, START_MS + byMs + ms));
  return next;
}

test('it is the wall clock, as long as that does not step forth', () => {
  const expiry = follow(startExpiry(undefined, at(0)), 0, 0, 3 * HOUR);
  expect(expiry).toEqual({ atMs: START_MS + 3 * HOUR, monotonicMs: 3 * HOUR, hold: undefined });
  const back = follow(expiry, -3 * DAY, 3 * HOUR, 0);
  expect(back).toMatchObject({ atMs: START_MS + 3 * HOUR - 3 * DAY, hold: undefined });
});

test('a clock that steps forth by years, and back within the hour, makes nothing older', () => {
  const before = follow(startExpiry(undefined, at(0)), 0, 0, HOUR);
  const held = follow(before, YEARS, HOUR, HOLD_MS - MINUTE);
  expect(held).toMatchObject({ atMs: START_MS + 2 * HOUR - MINUTE, hold: { untilMs: HOUR + HOLD_MS } });
  expect(follow(held, 0, 2 * HOUR, 0)).toMatchObject({ atMs: START_MS + 2 * HOUR, hold: undefined });
  // It was right: the clock before was not.
  expect(follow(held, YEARS, 2 * HOUR, 0)).toMatchObject({ atMs: START_MS + YEARS + 2 * HOUR, hold: undefined });
});

test('a start with a clock far ahead of what was last deleted is held, one after a night is not', () => {
  expect(startExpiry(START_MS - 14 * HOUR, at(0))).toMatchObject({ atMs: START_MS, hold: undefined });
  expect(startExpiry(START_MS + YEARS, at(0))).toMatchObject({ atMs: START_MS, hold: undefined });
  const month = startExpiry(START_MS - 30 * DAY, at(0));
  expect(month).toMatchObject({ atMs: START_MS - 30 * DAY, hold: { untilMs: HOLD_MS, aheadMs: 30 * DAY } });
  expect(follow(month, 0, 0, HOLD_MS - MINUTE).atMs).toBe(START_MS - 30 * DAY + HOLD_MS - MINUTE);
  expect(follow(month, 0, 0, HOLD_MS)).toMatchObject({ atMs: START_MS + HOLD_MS, hold: undefined });
});

test('whatever clocks do, no time jumps forth unless the wall clock was ahead for the whole hold, and in the end it is followed', () => {
  const stepMs = fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -YEARS, max: YEARS }) },
  );
  const looks = fc.array(fc.record({ passedMs: fc.integer({ min: 0, max: HOUR / 2 }), stepMs }), { maxLength: 60 });
  fc.assert(
    fc.property(looks, fc.option(fc.integer({ min: -YEARS, max: YEARS }), { nil: undefined }), (all, last) => {
      let now = at(0);
      let expiry = startExpiry(last === undefined ? undefined : START_MS + last, now);
      let steppedMs = expiry.hold === undefined ? Number.NEGATIVE_INFINITY : 0;
      for (const { passedMs, stepMs } of all) {
        now = { monotonicMs: now.monotonicMs + passedMs, wallMs: now.wallMs + passedMs + stepMs };
        if (stepMs > MINUTE) steppedMs = now.monotonicMs;
        const next = nextExpiry(expiry, now);
        if (next.atMs - expiry.atMs > passedMs + MINUTE) {
          expect(now.monotonicMs - steppedMs).toBeGreaterThanOrEqual(HOLD_MS);
        }
        expect(next.atMs).toBeLessThanOrEqual(now.wallMs);
        expiry = next;
      }
      for (let passedMs = 0; passedMs <= HOLD_MS; passedMs += MINUTE) {
        expiry = nextExpiry(expiry, { monotonicMs: now.monotonicMs + passedMs, wallMs: now.wallMs + passedMs });
      }
      expect(expiry).toMatchObject({ atMs: now.wallMs + HOLD_MS, hold: undefined });
    }),
    { numRuns: repetitions(300, 10_000) },
  );
});
