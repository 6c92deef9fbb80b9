import { expect, test } from 'vitest';
import { fuzz } from './fuzz/fuzz.ts';

/** Some seconds; `npm run fuzz` tries many more. */
const CASES = 5000;

test('a heartbeat that was valid and then changed is refused, or read as the full library reads it', () => {
  const outcomes = fuzz(CASES);
  // Enough of each, or the changes are too wild, or too tame, to find anything.
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(CASES / 50);
});
