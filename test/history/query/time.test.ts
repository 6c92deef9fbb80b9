import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durationOf, LAST_TIME_MS, timeOf } from '../../../src/history/query/time.ts';

const NOW = Date.parse('2026-11-23T17:54:55.000Z');

describe('a time', () => {
  test.each([
    ['now', NOW],
    ['-1h', NOW - 3_600_000],
    ['now-90s', NOW - 90_000],
    ['-1.5h', NOW - 5_400_000],
    ['-2w', NOW - 14 * 86_400_000],
    ['-1y', NOW - 365 * 86_400_000],
    ['-9999y', 0],
    ['1795456495', NOW],
    ['1795456495.25', NOW + 250],
    ['0', 0],
    ['2026-11-23T17:54:55Z', NOW],
    ['2026-11-23t17:54:55z', NOW],
    ['2026-11-23T18:54:55+01:00', NOW],
    ['2026-11-23T18:54:55 01:00', NOW],
    ['2026-11-23T12:24:55-05:30', NOW],
    ['2026-11-23T17:54:55.123456789Z', NOW + 123],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ])('%s is read', (text, expected) => expect(timeOf(text, NOW)).toBe(expected));

  test.each([
    '',
    'yesterday',
    '1h',
    '-1',
    '-1x',
    '--1h',
    '+1h',
    '1e9',
    '1795456495000',
    '2026-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2026-11-23T24:00:00Z',
    '2026-11-23T17:60:00Z',
    '2026-11-23T17:54:55',
    '2026-11-23',
    'NaN',
    'Infinity',
    '0000-01-01T00:00:00Z',
    'x'.repeat(10_000),
  ])('%s is refused, with what was expected', (text) => {
    expect(() => timeOf(text, NOW)).toThrow(/^expected a time such as .* got "/);
  });

  test('in RFC 3339 is read as it was written, in any offset', () => {
    const offsets = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 });
    fc.assert(
      fc.property(fc.integer({ min: 10 ** 8, max: LAST_TIME_MS - 10 ** 8 }), offsets, (timeMs, minutes) => {
        const local = new Date(timeMs + minutes * 60_000).toISOString().slice(0, -1);
        const two = (value: number) => String(value).padStart(2, '0');
        const sign = minutes < 0 ? '-' : '+';
        const offset = `${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
        expect(timeOf(local + offset, NOW)).toBe(timeMs);
        expect(timeOf(new Date(timeMs).toISOString(), NOW)).toBe(timeMs);
        expect(timeOf(String(timeMs / 1000), NOW)).toBe(timeMs);
      }),
    );
  });
});

describe('a duration', () => {
  test.each([
    ['30s', 30_000],
    ['250ms', 250],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['60', 60_000],
    ['0.5', 500],
  ])('%s is read', (text, expected) => expect(durationOf(text)).toBe(expected));

  test.each(['0', '0s', '0.0001ms'])('%s is refused: no time', (text) => {
    expect(() => durationOf(text)).toThrow('expected more than 0');
  });

  test.each(['', '-5m', 'm', '1h30m', '9999999y'])('%s is refused', (text) => {
    expect(() => durationOf(text)).toThrow(/^expected a duration such as /);
  });
});
