import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMatcher, formatMatcher, labelTest, parseMatcher } from '../../src/model/label-matchers.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

const matches = (texts: readonly string[], labels: Record<string, string>) =>
  labelTest(texts.map(parseMatcher))(labels);

describe('matchers of labels', () => {
  it.each([
    ['severity="page"', { severity: 'page' }, true],
    ['severity=page', { severity: 'page' }, true],
    ['severity="page"', { severity: 'info' }, false],
    ['severity!="page"', { severity: 'info' }, true],
    ['worker=~"rack-7-.*"', { worker: 'rack-7-01' }, true],
    // The whole value.
    ['worker=~"rack-7"', { worker: 'rack-7-01' }, false],
    ['worker=~"a|b"', { worker: 'ab' }, false],
    ['worker!~"rack-7-.*"', { worker: 'rack-8-01' }, true],
    // A missing label is empty.
    ['group=""', {}, true],
    ['group!=""', {}, false],
    ['group=~".*"', {}, true],
    ['constructor=""', {}, true],
    [' worker = "a b" ', { worker: 'a b' }, true],
  ])('%s and %j: %s', (text, labels, expected) => {
    expect(matches([text], labels)).toBe(expected);
  });

  it('must all match', () => {
    expect(matches(['a=1', 'b=2'], { a: '1', b: '2' })).toBe(true);
    expect(matches(['a=1', 'b=2'], { a: '1', b: '3' })).toBe(false);
  });

  it.each([
    ['', 'expected a matcher such as'],
    ['severity', 'expected a matcher such as'],
    ['="page"', 'expected a matcher such as'],
    ['severity="page', 'not a complete'],
    ['worker=~"("', 'the pattern "(" cannot be used: Unterminated group'],
    ['worker=~"a)|(b"', 'cannot be used: Unmatched'],
    ['worker=~"(?=a)"', 'linear time'],
    [`worker=~"${'a'.repeat(1025)}"`, '1025 characters'],
  ])('%s is refused', (text, message) => {
    expect(() => parseMatcher(text)).toThrow(message);
  });

  it('take a time that does not depend on the pattern', () => {
    // With the usual engine, this takes years.
    expect(matches(['worker=~"(a+)+"'], { worker: `${'a'.repeat(1000)}b` })).toBe(false);
  });

  it('are read back from their text', () => {
    const matcher = fc.record({
      name: fc.stringMatching(/^[a-z_][a-z0-9_.]{0,9}$/),
      value: fc.string({ unit: ANY_CHARACTER }),
      isRegex: fc.boolean(),
      isEqual: fc.boolean(),
    });
    fc.assert(
      fc.property(matcher, (one) => {
        try {
          checkMatcher(one);
        } catch {
          return;
        }
        expect(parseMatcher(formatMatcher(one))).toEqual(one);
      }),
    );
  });
});
