import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearest } from '../../src/cli/prompt/nearest.ts';
import { quoteWord, splitPartial, splitWords } from '../../src/cli/prompt/words.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { workerIdText } from './tricky-text.ts';

describe('a typed line', () => {
  test('is split at white space, quotes keep it together', () => {
    expect(splitWords('  status   worker-1 ')).toEqual(['status', 'worker-1']);
    expect(splitWords('status "my worker"')).toEqual(['status', 'my worker']);
    expect(splitWords('a"b c"d')).toEqual(['ab cd']);
    expect(splitWords('status ""')).toEqual(['status', '']);
    expect(splitWords(String.raw`status "a \"b\" \\ c"`)).toEqual(['status', String.raw`a "b" \ c`]);
    expect(splitWords(String.raw`status a\b`)).toEqual(['status', String.raw`a\b`]);
    expect(splitWords(' \t ')).toEqual([]);
  });

  test('with an open quote is refused', () => {
    expect(() => splitWords('status "my')).toThrow('a double quote is not closed');
  });

  test('gives back every word that was quoted into it', () => {
    const words = fc.array(fc.oneof(workerIdText, fc.string(), fc.string({ unit: ANY_CHARACTER })), { maxLength: 5 });
    fc.assert(
      fc.property(words, (all) => {
        expect(splitWords(all.map(quoteWord).join(' '))).toEqual(all);
      }),
    );
  });

  test('up to the cursor tells what is being typed', () => {
    expect(splitPartial('')).toEqual({ words: [], typed: '', partial: '' });
    expect(splitPartial('sta')).toEqual({ words: [], typed: 'sta', partial: 'sta' });
    expect(splitPartial('status ')).toEqual({ words: ['status'], typed: '', partial: '' });
    expect(splitPartial('status "my w')).toEqual({ words: ['status'], typed: '"my w', partial: 'my w' });
  });
});

describe('the nearest word', () => {
  const commands = ['help', 'workers', 'status', 'stats', 'register', 'unregister', 'internal-state', 'exit', 'quit'];

  test.each([
    ['wrokers', 'workers'],
    ['worker', 'workers'],
    ['stat', 'status'],
    ['statsu', 'status'],
    ['exti', 'exit'],
    ['internalstate', 'internal-state'],
    ['wor', 'workers'],
  ])('to %s is %s', (typed, meant) => {
    expect(nearest(typed, commands)).toBe(meant);
  });

  test('is none when nothing is near', () => {
    for (const word of ['', 'frobnicate', 'zzzz']) expect(nearest(word, commands)).toBeUndefined();
  });
});
