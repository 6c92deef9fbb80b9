import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeRejected, encodeRejected, MAX_REJECTED_BYTES, REJECTED_KEY } from '../../src/model/rejected-metadata.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

const texts = fc.oneof(
  fc.string({ unit: ANY_CHARACTER, maxLength: 2000 }),
  fc.string({ unit: 'grapheme', maxLength: 400 }),
  fc.string({ maxLength: 2000 }),
);

test('any text is a value that gRPC takes, within its bound', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const value = encodeRejected(text);
      expect(value.length).toBeLessThanOrEqual(MAX_REJECTED_BYTES);
      expect(value).toMatch(/^(?:|[!-~]|[!-~][ -~]*[!-~])$/);
      new Metadata().set(REJECTED_KEY, value);
    }),
  );
});

test('a text that fits comes back as it was; of a longer one, its beginning', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const sent = text.trim().toWellFormed();
      const received = decodeRejected(encodeRejected(text));
      expect(sent.startsWith(received)).toBe(true);
      if (encodeURIComponent(sent).length <= MAX_REJECTED_BYTES) expect(received).toBe(sent);
    }),
  );
});

test.each([
  ['cpu_usage is NaN, expected a finite number', 'cpu_usage is NaN, expected a finite number'],
  ['100 % é\r\nx: y', '100 %25 %C3%A9%0D%0Ax: y'],
])('%j is sent as %j', (text, value) => {
  expect(encodeRejected(text)).toBe(value);
});

test('a character that does not fit is left out whole', () => {
  const almost = 'a'.repeat(MAX_REJECTED_BYTES - 1);
  expect(encodeRejected(`${almost}é`)).toBe(almost);
});

test('any value is read, also of a sender with other rules', () => {
  fc.assert(fc.property(fc.string(), (value) => typeof decodeRejected(value) === 'string'));
  expect(decodeRejected('100 % sure')).toBe('100 % sure');
});
