import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesTag } from '../../src/http/answers/conditional.ts';

test.each([
  ['W/"a-1"', true],
  ['"a-1"', true],
  ['*', true],
  [' * ', true],
  ['"x", W/"a-1"', true],
  ['"x",,\t"a-1" , "y"', true],
  ['"a-1', false],
  ['a-1', false],
  ['"x"', false],
  ['"a-1" broken', false],
  ['"*"', false],
  ['', false],
])('If-None-Match: %s', (header, isKnown) => {
  expect(matchesTag(header, 'W/"a-1"')).toBe(isKnown);
});

test('a tag is found in any list of tags, and only there', () => {
  const tag = fc.string({ unit: fc.constantFrom('a', 'b', '-', ',', ' ', '1').filter((unit) => unit !== ' ') });
  fc.assert(
    fc.property(fc.array(fc.tuple(tag, fc.boolean())), tag, (tags, mine) => {
      const header = tags.map(([text, isWeak]) => `${isWeak ? 'W/' : ''}"${text}"`).join(', ');
      expect(matchesTag(header, `W/"${mine}"`)).toBe(tags.some(([text]) => text === mine));
    }),
  );
});
