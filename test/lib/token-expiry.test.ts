import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expiryWord, instantIn, instantText, isExpired, splitExpiry } from '../../src/lib/token-expiry.ts';

/** Whole seconds of years with four digits. */
const seconds = fc.integer({ min: Date.UTC(1000, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });

test.each([
  ['2026-12-24', '2026-12-24T00:00:00Z'],
  ['2026-12-24T18:00Z', '2026-12-24T18:00:00Z'],
  ['2026-12-24T18:00:59Z', '2026-12-24T18:00:59Z'],
  ['2026-12-24T00:30+01:00', '2026-12-23T23:30:00Z'],
  ['2024-02-29', '2024-02-29T00:00:00Z'],
])('%s is %s', (text, instant) => expect(instantText(instantIn(text) as number)).toBe(instant));

test.each([
  '2026-12-24T18:00',
  '2026-02-29',
  '2026-02-30T00:00Z',
  '2026-13-01',
  '2026-12-24T24:00Z',
  '2026-12-24T18:00+25:00',
  '2026-12-24 18:00Z',
  '26-12-24',
  '1798135200',
  '+012026-12-24',
  '',
])('%j is no moment that means the same everywhere', (text) => expect(instantIn(text)).toBeUndefined());

test('what is written is read again, and any other word stays a word', () => {
  fc.assert(
    fc.property(seconds, fc.array(fc.stringMatching(/^[a-z:,]{1,9}$/)), (atS, words) => {
      const expiresUnixMs = atS * 1000;
      expect(splitExpiry([...words, expiryWord(expiresUnixMs).trim()])).toEqual({ words, expiresUnixMs });
      fc.pre(words.at(-1)?.startsWith('expires:') !== true);
      expect(splitExpiry(words)).toEqual({ words, expiresUnixMs: undefined });
    }),
  );
});

test('no text is taken for a moment that it does not name', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}Z)?$/)),
      (text) => {
        const atUnixMs = instantIn(text);
        if (atUnixMs !== undefined) expect(instantText(atUnixMs).startsWith(text.replace(/Z$/, ''))).toBe(true);
      },
    ),
  );
});

test('a token is valid up to its expiry, and one without is for ever', () => {
  expect([isExpired(1000, 999), isExpired(1000, 1000), isExpired(undefined, Number.MAX_VALUE)]).toEqual([
    false,
    true,
    false,
  ]);
});
