import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { facts, table } from '../../src/cli/text/table.ts';
import { age, milliseconds, number, percent } from '../../src/cli/text/units.ts';
import { cut, widthOf } from '../../src/cli/text/width.ts';
import { wrapLines } from '../../src/cli/text/wrap.ts';
import { printable, printableLines } from '../../src/lib/printable.ts';
import { CONTROL, trickyText } from './tricky-text.ts';

describe('printable text', () => {
  test('never holds a control character, whatever came in', () => {
    fc.assert(fc.property(trickyText, (text) => !CONTROL.test(printable(text))));
  });

  test('keeps line feeds only where there may be several lines', () => {
    expect(printableLines('a\nb\x1b[2J')).toBe('a\nb\\x1b[2J');
    expect(printable('a\nb')).toBe('a\\x0ab');
  });

  test('shows what was sent instead of leaving it out', () => {
    expect(printable('\x1b]0;title\x07')).toBe('\\x1b]0;title\\x07');
    expect(printable('\u009b31m')).toBe('\\x9b31m');
    expect(printable('user\u202etxt.exe')).toBe('user\\u202etxt.exe');
    expect(printable('\ud800')).toBe('\\ud800');
  });

  test('leaves letters, emoji and accents of every language alone', () => {
    for (const text of ['日本', 'e\u0301', '👨‍👩‍👧', '🏳️‍🌈', 'ก็', '🫠', 'क्षि']) expect(printable(text)).toBe(text);
  });
});

describe('wrapped lines', () => {
  const words = (text: string) => text.split(/[ \n]+/).filter((word) => word !== '');

  test('fit wherever their words do, and lose nothing', () => {
    fc.assert(
      fc.property(fc.array(trickyText, { maxLength: 8 }), fc.integer({ min: 1, max: 60 }), (texts, columns) => {
        const text = texts.map(printable).join('  ');
        const wrapped = wrapLines(text, columns);
        expect(words(wrapped)).toEqual(words(text));
        for (const line of wrapped.split('\n')) {
          if (widthOf(line) > columns) expect(words(line).length).toBeLessThanOrEqual(1);
        }
        if (widthOf(text) <= columns) expect(wrapped).toBe(text);
      }),
    );
  });

  test('hang below their first one, where there is room', () => {
    expect(wrapLines('Lanes: up to 742 workers get a thread of their own', 24)).toBe(
      'Lanes: up to 742 workers\n  get a thread of their\n  own',
    );
    expect(wrapLines('a\n  one two three four five six', 20)).toBe('a\n  one two three four\n    five six');
    expect(wrapLines('one two three', 8)).toBe('one two\nthree');
  });
});

describe('a cut text', () => {
  test('fits, and says that it was cut', () => {
    fc.assert(
      fc.property(trickyText, fc.integer({ min: 1, max: 30 }), (text, columns) => {
        const safe = printable(text);
        const shown = cut(safe, columns);
        expect(widthOf(shown)).toBeLessThanOrEqual(columns);
        expect(shown === safe || shown.endsWith('…')).toBe(true);
      }),
    );
  });

  test('is not cut within an emoji', () => {
    expect(cut('👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧', 5)).toBe('👨‍👩‍👧👨‍👩‍👧…');
    expect(cut('日本語', 4)).toBe('日…');
  });
});

describe('a table', () => {
  test('is aligned by what a terminal shows', () => {
    const text = table(
      [{ title: 'ID' }, { title: 'N', align: 'right' }],
      [
        ['日本🫠', '1'],
        ['node', '100'],
      ],
    );
    expect(text.split('\n')).toEqual(['ID        N', '日本🫠    1', 'node    100']);
  });

  test('keeps its columns in place for any text', () => {
    fc.assert(
      fc.property(fc.array(trickyText, { minLength: 1, maxLength: 6 }), (cells) => {
        const lines = table(
          [{ title: 'ID', maxWidth: 20 }, { title: 'MARK' }],
          cells.map((cell) => [cell, '@@']),
        ).split('\n');
        expect(lines).toHaveLength(cells.length + 1);
        const columns = lines.slice(1).map((line) => widthOf(line.slice(0, line.lastIndexOf('@@'))));
        expect(new Set(columns).size).toBe(1);
        expect(lines.some((line) => CONTROL.test(line))).toBe(false);
      }),
    );
  });

  test('has no spaces at the end of a line', () => {
    expect(table([{ title: 'A' }, { title: 'B' }], [['1', '']])).toBe('A  B\n1');
    expect(facts([['name', '']])).toBe('name');
  });
});

describe('numbers', () => {
  test('are shown with their units', () => {
    expect(percent(14.999999999997726)).toBe('15.0%');
    expect([0, 999, 1000, 65_000, 7_500_000, 93_600_000].map(age)).toEqual([
      '<1s',
      '<1s',
      '1s',
      '1m 5s',
      '2h 5m',
      '1d 2h',
    ]);
    expect(milliseconds(0.42)).toBe('0.4 ms');
    expect(milliseconds(1234.5)).toBe('1,235 ms');
    expect([0, 24, 0.1 + 0.2, -5, 1e300, 1e-9, 1_234_567.891].map(number)).toEqual([
      '0',
      '24',
      '0.3',
      '-5',
      '1e+300',
      '1e-9',
      '1234570',
    ]);
  });
});
