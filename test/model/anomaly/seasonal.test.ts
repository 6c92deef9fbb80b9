import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../../bench/anomaly/random.ts';
import { HOURS_OF_WEEK, HourOfWeek } from '../../../src/model/anomaly/hour-of-week.ts';
import { type Expected, expectedIn, learnHour, SEASONAL_FLOATS } from '../../../src/model/anomaly/seasonal.ts';
import { repetitions } from '../../support/repetitions.ts';

const HOUR_MS = 3_600_000;

function expectedOf(floats: Float32Array, hour: number): Expected {
  const into = { value: 0, sureness: 0 };
  expectedIn(floats, 1, hour, into);
  return into;
}

/** With something on both sides that must stay as it is. */
const newSeason = () => new Float32Array(SEASONAL_FLOATS + 2);

describe('the seasonal baseline', () => {
  test('takes at most 1.5 KB a metric', () => {
    expect(SEASONAL_FLOATS * 4).toBeLessThanOrEqual(1536);
  });

  test('knows each hour of the week after two weeks, and is sure of a season', () => {
    const floats = newSeason();
    const load = (hour: number) => 40 + 30 * Math.sin((2 * Math.PI * hour) / 24) + (hour >= 120 ? -10 : 0);
    for (let week = 0; week < 2; week++) {
      for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
        expect(expectedOf(floats, hour).sureness > 0.5).toBe(false);
        learnHour(floats, 1, hour, load(hour) + week);
      }
    }
    for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
      const { value, sureness } = expectedOf(floats, hour);
      expect(value).toBeCloseTo(load(hour) + 0.5, 1);
      expect(sureness).toBeGreaterThan(0.5);
    }
    expect([floats[0], floats[SEASONAL_FLOATS + 1]]).toEqual([0, 0]);
  });

  test('is not sure of what has no season', () => {
    const floats = newSeason();
    const random = new Random(1);
    for (let hour = 0; hour < 5 * HOURS_OF_WEEK; hour++) {
      learnHour(floats, 1, hour % HOURS_OF_WEEK, 40 + random.normal());
    }
    for (let hour = 0; hour < HOURS_OF_WEEK; hour++) expect(expectedOf(floats, hour).sureness).toBeLessThan(0.5);
  });

  test('a holiday changes little of what is usual', () => {
    const floats = newSeason();
    for (let week = 0; week < 6; week++) learnHour(floats, 1, 9, 60 + (week % 2));
    learnHour(floats, 1, 9, 5);
    expect(expectedOf(floats, 9).value).toBeGreaterThan(55);
  });

  test('gives finite numbers, whatever it learns', () => {
    const hours = fc.array(fc.tuple(fc.nat(HOURS_OF_WEEK - 1), fc.double()), { maxLength: 400 });
    fc.assert(
      fc.property(hours, (learned) => {
        const floats = newSeason();
        for (const [hour, mean] of learned) learnHour(floats, 1, hour, mean);
        for (const [hour] of learned) {
          const { value, sureness } = expectedOf(floats, hour);
          expect(sureness >= 0 && sureness <= 1).toBe(true);
          expect(Number.isFinite(value) || sureness === 0).toBe(true);
        }
      }),
      { numRuns: repetitions(50, 2000) },
    );
  });
});

describe('the hour of the week', () => {
  const berlin = new HourOfWeek('Europe/Berlin');

  test('begins on Monday at midnight in its time zone', () => {
    expect(berlin.of(Date.UTC(2026, 5, 7, 22))).toBe(0);
    expect(new HourOfWeek('UTC').of(Date.UTC(2026, 5, 8))).toBe(0);
    expect(new HourOfWeek('UTC').of(Date.UTC(2026, 5, 7, 23, 59, 59))).toBe(167);
    // Half an hour from whole hours.
    expect(new HourOfWeek('Asia/Kolkata').of(Date.UTC(2026, 5, 7, 18, 30))).toBe(0);
  });

  test('leaves an hour out when clocks go forward', () => {
    // On Sunday 29 March 2026 at 2:00 it is 3:00.
    const hours = [0, 1, 2].map((after) => berlin.of(Date.UTC(2026, 2, 29, 0) + after * HOUR_MS) - 6 * 24);
    expect(hours).toEqual([1, 3, 4]);
  });

  test('has an hour twice when clocks go back, which ends after both', () => {
    // On Sunday 25 October 2026 at 3:00 it is 2:00.
    const first = Date.UTC(2026, 9, 24, 23);
    const hours = [0, 1, 2, 3].map((after) => berlin.of(first + after * HOUR_MS) - 6 * 24);
    expect(hours).toEqual([1, 2, 2, 3]);
    expect(berlin.endOf(first + HOUR_MS)).toBe(first + 3 * HOUR_MS);
    expect(berlin.endOf(first + 1)).toBe(first + HOUR_MS);
  });

  test('a time zone that is unknown is an error', () => {
    expect(() => new HourOfWeek('Europe/Nowhere')).toThrow(RangeError);
  });
});
