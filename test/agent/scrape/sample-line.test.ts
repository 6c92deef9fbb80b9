/** Lines of exporters: what is read, and what is refused with a reason. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSampleLine } from '../../../src/agent/scrape/sample-line.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';

const line = (text: string) => parseSampleLine(text);

describe('reads', () => {
  test.each([
    ['node_load1 0.21', 'node_load1', [], 0.21],
    ['a:b_c{x="1",y="z"} 6.9e+10', 'a:b_c', [['x', '1'], ['y', 'z']], 6.9e10], // biome-ignore format: a table
    ['a{x="1",} 1 1794000000000', 'a', [['x', '1']], 1],
    ['a { x = "1" , y = "2" } -3 ', 'a', [['x', '1'], ['y', '2']], -3], // biome-ignore format: a table
    ['a{} 1', 'a', [], 1],
    [String.raw`a{x="\"\\\n\d"} 1`, 'a', [['x', '"\\\n\\d']], 1],
    ['{"http.requests","code.x"="a"} 1', 'http.requests', [['code.x', 'a']], 1],
    ['a +Inf', 'a', [], Number.POSITIVE_INFINITY],
    ['a -Inf', 'a', [], Number.NEGATIVE_INFINITY],
    ['a NaN', 'a', [], Number.NaN],
    ['a 1 # {trace_id="x"} 0.5', 'a', [], 1],
  ] as const)('%s', (text, name, labels, value) => {
    expect(line(text)).toEqual({ name, labels, value });
  });

  test.each(['', '   ', '# HELP a b', '# EOF', '#'])('nothing of %j', (text) => {
    expect(line(text)).toBeUndefined();
  });
});

describe('refuses', () => {
  test.each([
    ['<html>', 'the name of a metric first'],
    ['a', 'expected a number as the value of a'],
    ['a x', 'expected a number as the value of a'],
    ['a 0x10', 'expected a number as the value of a'],
    ['a{x} 1', 'expected "=" at character 4'],
    ['a{x=1} 1', "expected a label's value in quotes at character 5"],
    ['a{x="1" 1', 'expected "," or "}" at character 9'],
    ['a{x="1', "expected a label's value in quotes at character 5"],
    ['a{1="1"} 1', `expected a label's name or "}" at character 3`],
    ['a 1 soon', 'expected a time or the end of the line after the value of a'],
    ['{x="1"} 1', 'the name of a metric first'],
  ])('%s', (text, message) => {
    expect(() => line(text)).toThrow(message);
  });
});

test('reads back what is written by the rules of the format, whatever the labels', () => {
  const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,20}$/);
  const labelName = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,10}$/);
  fc.assert(
    fc.property(
      name,
      fc.array(fc.tuple(labelName, fc.string({ unit: 'grapheme' })), { maxLength: 5 }),
      fc.double({ noNaN: true }),
      (metric, labels, value) => {
        const inner = labels.map(([key, text]) => `${key}="${escaped(text)}"`).join(',');
        const number = Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
        expect(line(`${metric}{${inner}} ${number}`)).toEqual({ name: metric, labels, value: Number(value) });
      },
    ),
  );
});

test('never takes long, and never throws anything but its refusal', () => {
  fc.assert(
    fc.property(fc.string({ unit: ANY_CHARACTER, maxLength: 200 }), (text) => {
      try {
        line(text);
      } catch (error) {
        expect((error as Error).message).toMatch(/^expected /);
      }
    }),
  );
  expect(() => line(`a{x="${'\\"'.repeat(30_000)}`)).toThrow('value in quotes');
});
