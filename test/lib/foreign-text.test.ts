import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { messageOf } from '../../src/lib/errors.ts';
import { MAX_FOREIGN_TEXT, shortText } from '../../src/lib/foreign-text.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

test('a text is kept as it is, or cut within the bound, between characters, and says how long it was', () => {
  const text = fc.string({ unit: ANY_CHARACTER, maxLength: 300 });
  fc.assert(
    fc.property(text, fc.integer({ min: 40, max: 200 }), (whole, maxLength) => {
      const short = shortText(whole, maxLength);
      expect(short.length).toBeLessThanOrEqual(maxLength);
      if (whole.length <= maxLength) {
        expect(short).toBe(whole);
        return;
      }
      const [, begin = '', length] = /^(.*)… \((\d+) characters\)$/s.exec(short) ?? [];
      expect(Number(length)).toBe(whole.length);
      expect(whole.startsWith(begin)).toBe(true);
      expect(begin.isWellFormed()).toBe(true);
      expect(begin.length).toBeGreaterThanOrEqual(maxLength - 30);
    }),
  );
});

describe('the text of what was thrown', () => {
  const run = () => {
    throw new Error('foreign code was run');
  };
  class Own extends Error {
    override get message() {
      return run();
    }
  }
  const HUGE = 'x'.repeat(20_000_000);
  const cut = `${'x'.repeat(MAX_FOREIGN_TEXT - 23)}… (20000000 characters)`;
  test.each<[what: string, thrown: unknown, text: string]>([
    ['an error', new Error('as it says'), 'as it says'],
    ['an error without a message', new RangeError(), 'RangeError'],
    ['an error of 20 MB', new Error(HUGE), cut],
    ['an error whose message is computed', new Own(), 'Error'],
    ['an error whose message is no text', Object.assign(new Error(), { message: { toString: run } }), 'Error'],
    ['an object with a message', { message: 'hello' }, 'hello'],
    ['an object that makes texts', { toString: run, [Symbol.toPrimitive]: run, toJSON: run }, 'object thrown'],
    ['an object without a prototype', Object.create(null), 'object thrown'],
    [
      'a proxy',
      new Proxy(new Error('x'), { getOwnPropertyDescriptor: run, get: run, getPrototypeOf: run }),
      'object thrown',
    ],
    [
      'an object behind a proxy',
      Object.create(new Proxy({}, { get: run, getOwnPropertyDescriptor: run })),
      'object thrown',
    ],
    ['a text of 20 MB', HUGE, cut],
    ['a symbol', Symbol('s'), 'symbol thrown: Symbol(s)'],
    ['nothing', undefined, 'undefined thrown: undefined'],
    ['null', null, 'object thrown: null'],
    ['a number', 5, 'number thrown: 5'],
    ['a large integer', 10n ** 1000n, 'bigint thrown'],
    ['a function', Object.assign(run, { toString: run }), 'run'],
  ])('%s is read without running any code of it', (_, thrown, text) => {
    expect(messageOf(thrown)).toBe(text);
  });
});
