import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ratioOf } from '../../src/metrics/workers/ratio.ts';
import { repetitions } from '../support/repetitions.ts';

test('a ratio is the double nearest to the decimal of its percentage, two places further', () => {
  expect([0.7, 14.9, 100, 1e-7, 0].map(ratioOf)).toEqual([0.007, 0.149, 1, 1e-9, 0]);
  const decimals = fc.record({ digits: fc.bigInt(0n, 10n ** 15n - 1n), places: fc.integer({ min: 0, max: 12 }) });
  fc.assert(
    fc.property(decimals, ({ digits, places }) => {
      expect(ratioOf(Number(`${digits}e-${places}`))).toBe(Number(`${digits}e-${places + 2}`));
    }),
    { numRuns: repetitions(1000, 200_000) },
  );
});
