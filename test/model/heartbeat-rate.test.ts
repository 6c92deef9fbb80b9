import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterArrival, NEVER_MS, rateLimit } from '../../src/model/heartbeat-rate.ts';

/** Times of those that were taken, of arrivals after these gaps. */
function taken(perS: number, gapsMs: readonly number[]): number[] {
  const limit = rateLimit(perS);
  if (limit === undefined) throw new Error('no limit');
  const times: number[] = [];
  let [dueMs, nowMs] = [NEVER_MS, 0];
  for (const gapMs of gapsMs) {
    nowMs += gapMs;
    const nextMs = afterArrival(dueMs, nowMs, limit);
    if (nextMs === undefined) continue;
    dueMs = nextMs;
    times.push(nowMs);
  }
  return times;
}

const perS = fc.integer({ min: 1, max: 1000 });
const gaps = (maxMs: number) => fc.array(fc.double({ min: 0, max: maxMs, noNaN: true }), { maxLength: 400 });

test('in no stretch of time are more taken than the rate allows, and one second’s burst', () => {
  fc.assert(
    fc.property(perS, gaps(50), (rate, gapsMs) => {
      const times = taken(rate, gapsMs);
      for (let from = 0; from < times.length; from++) {
        for (let to = from; to < times.length; to++) {
          const withinS = ((times[to] as number) - (times[from] as number)) / 1000;
          // Rounding may let one slip in.
          expect(to - from + 1).toBeLessThanOrEqual(Math.floor(rate * withinS + 1e-6) + rate + 1);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('who keeps to the rate is never refused', () => {
  fc.assert(
    fc.property(perS, gaps(100), (rate, extraMs) => {
      const gapsMs = extraMs.map((ms) => 1000 / rate + ms);
      expect(taken(rate, gapsMs)).toHaveLength(gapsMs.length);
    }),
  );
});

test('a burst of one second’s worth is taken at once, and the next after its interval', () => {
  expect(taken(100, new Array(150).fill(0))).toHaveLength(100);
  expect(taken(100, [...new Array(150).fill(0), 10, 0, 10])).toHaveLength(102);
  expect(taken(1, [0, 0, 999, 1])).toEqual([0, 1000]);
  expect(rateLimit(0)).toBeUndefined();
});
