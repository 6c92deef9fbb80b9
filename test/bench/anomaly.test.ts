import { expect, test } from 'vitest';
import { FAMILY_NAMES } from '../../bench/anomaly/families.ts';
import { count, f1, newTally } from '../../bench/anomaly/scoring.ts';
import { seriesOf } from '../../bench/anomaly/series.ts';
import { HELD_BACK_FAMILIES, TUNING_FAMILIES } from '../../bench/anomaly/split.ts';

test('alarms are scored by event: hits until 12 samples after the window, further ones once, all others false', () => {
  const tally = newTally();
  count(tally, [99, 100, 150, 211, 212], [100, 200]);
  count(tally, [], [10, 20]);
  expect(tally).toEqual({ events: 2, hits: 1, falseAlarms: 2, delays: [0] });
  expect(f1(tally)).toBe(2 / 5);
});

test('each family is either for tuning or held back', () => {
  expect([...TUNING_FAMILIES, ...HELD_BACK_FAMILIES].toSorted()).toEqual(FAMILY_NAMES);
  expect(HELD_BACK_FAMILIES).toHaveLength(Math.floor(FAMILY_NAMES.length / 2));
});

test('a series is the same for the same seed, with its window in it', () => {
  const [one, same, other] = [seriesOf('spike', 3), seriesOf('spike', 3), seriesOf('spike', 4)];
  expect(one).toEqual(same);
  expect(one.values).not.toEqual(other.values);
  const [from, to] = one.window;
  expect(from).toBeGreaterThan(17_000);
  expect(to).toBeGreaterThan(from);
  expect(to).toBeLessThan(one.values.length);
});
