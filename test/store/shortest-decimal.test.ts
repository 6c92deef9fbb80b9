import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shortestDecimal } from '../../src/store/shortest-decimal.ts';

/** By definition, and slowly. */
function shortest(value: number): number {
  if (value === 0) return 0;
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return decimal;
  }
  return value;
}

test('any 32-bit float is read as the shortest decimal that has it', () => {
  fc.assert(
    fc.property(fc.float(), (value) => {
      expect(shortestDecimal(value)).toBe(shortest(value));
      // Zero has no sign then.
      expect(Math.fround(shortestDecimal(value))).toBe(value === 0 ? 0 : value);
    }),
    { numRuns: 20_000 },
  );
});

test('a decimal of up to six digits, as workers send, is read as sent', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999 }), fc.nat(6), (digits, decimals) => {
      const sent = Number(`${digits}e-${decimals}`);
      expect(shortestDecimal(Math.fround(sent))).toBe(sent);
      expect(shortestDecimal(Math.fround(-sent))).toBe(-sent);
    }),
    { numRuns: 5000 },
  );
  expect(shortestDecimal(Math.fround(14.9))).toBe(14.9);
});
