import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonText, JsonTextPool } from '../../src/http/bodies/json-text.ts';
import { KEPT_TEXT_BYTES, MAX_TEXT_BYTES_KEPT, TEXT_USES_BEFORE_SHRINKING } from '../../src/http/http-limits.ts';

it('a text gives memory back when what is written into it has become small', () => {
  const text = new JsonText();
  text.clear().spaces(64 * KEPT_TEXT_BYTES);
  for (let use = 0; use < TEXT_USES_BEFORE_SHRINKING; use++) text.clear().ascii('small');
  expect(text.capacityBytes).toBeGreaterThanOrEqual(64 * KEPT_TEXT_BYTES);
  for (let use = 0; use < TEXT_USES_BEFORE_SHRINKING; use++) text.clear().ascii('small');
  expect(text.capacityBytes).toBeLessThanOrEqual(2 * KEPT_TEXT_BYTES);
  expect(text.bytes().toString()).toBe('small');
});

it('has what was written, and no more than eight times the memory of the longest of late', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), { maxLength: 20 }), (sizes) => {
      const text = new JsonText();
      for (const size of sizes) {
        const bytes = KEPT_TEXT_BYTES * size;
        for (let use = 0; use < 2 * TEXT_USES_BEFORE_SHRINKING; use++)
          text.clear().append(Buffer.alloc(1)).spaces(bytes);
        expect(text.length).toBe(bytes + 1);
        expect(text.capacityBytes).toBeLessThanOrEqual(Math.max(2 * KEPT_TEXT_BYTES, 8 * bytes));
      }
    }),
    { numRuns: 5 },
  );
});

it('a pool keeps no text that has become large', () => {
  const pool = new JsonTextPool();
  const large = pool.take() as JsonText;
  large.spaces(MAX_TEXT_BYTES_KEPT + 1);
  pool.give(large);
  expect(pool.take()?.capacityBytes).toBeLessThan(MAX_TEXT_BYTES_KEPT);
  expect(pool.lent).toBe(1);
});
