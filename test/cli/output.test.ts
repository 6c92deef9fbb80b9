import { spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Answer, formatted } from '../../src/cli/output/answer.ts';
import { addOutputOption, pageOf, WIDE_LIST_FORMATS } from '../../src/cli/output/format.ts';
import { ENDLESS_PAGE } from '../../src/cli/text/page.ts';
import { coloured } from '../../src/cli/text/paint.ts';
import { hasColours } from '../../src/config/colour-environment.ts';
import { trickyText } from './tricky-text.ts';

const ITEMS = [
  { id: 'a', usage: 12.5, skew: -250, ok: true, labels: { zone: 'a' } },
  { id: '=1+1', usage: null, skew: 0, ok: false, labels: {} },
];
const ANSWER: Answer = {
  json: { items: ITEMS },
  items: ITEMS,
  fields: ['id', 'usage', 'skew', 'ok', 'labels'],
  text: ({ paint }) => paint('a', 'good'),
};

describe('an answer', () => {
  test('is one value as JSON, and one in each line as JSON lines', () => {
    expect(JSON.parse(formatted(ANSWER, 'json', ENDLESS_PAGE))).toEqual({ items: ITEMS });
    const lines = formatted(ANSWER, 'jsonl', ENDLESS_PAGE).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(ITEMS);
  });

  test('is a spreadsheet as CSV: what is not known is empty, and no text is a formula', () => {
    expect(formatted(ANSWER, 'csv', ENDLESS_PAGE)).toBe(
      'id,usage,skew,ok,labels\na,12.5,-250,true,"{""zone"":""a""}"\n\'=1+1,,0,false,{}\n',
    );
  });

  test('has no cell in CSV that a spreadsheet takes for a formula, whatever a worker calls itself', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          trickyText,
          fc.constantFrom('=', '+', '-', '@', '\t=').chain((first) => trickyText.map((rest) => first + rest)),
        ),
        (id) => {
          const csv = formatted({ ...ANSWER, items: [{ id }], fields: ['id'] }, 'csv', ENDLESS_PAGE);
          expect(csv.slice('id\n'.length)).not.toMatch(/^"?[=+\-@\t\r]/);
        },
      ),
    );
  });

  test('is coloured only where that was chosen', () => {
    expect(formatted(ANSWER, 'table', ENDLESS_PAGE)).toBe('a\n');
    expect(formatted(ANSWER, 'table', { ...ENDLESS_PAGE, paint: coloured })).toBe('\u001b[32ma\u001b[39m\n');
  });
});

describe('colours', () => {
  test('are shown in a terminal, unless the environment wants it otherwise', () => {
    expect(hasColours(true, {})).toBe(true);
    expect(hasColours(false, {})).toBe(false);
    expect(hasColours(true, { NO_COLOR: '1' })).toBe(false);
    expect(hasColours(true, { NO_COLOR: '' })).toBe(true);
    expect(hasColours(true, { TERM: 'dumb' })).toBe(false);
    expect(hasColours(false, { FORCE_COLOR: '1' })).toBe(true);
    expect(hasColours(true, { FORCE_COLOR: '0' })).toBe(false);
    expect(hasColours(false, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
  });

  test('are no reason for Node to warn, where both variables are set', () => {
    const bin = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '1' };
    expect(spawnSync(process.execPath, [bin, '--version'], { env, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });

  test('are as the flag says, whatever the environment says', () => {
    const paintOf = (flags: string[], hasColours?: boolean) => {
      const command = addOutputOption(new Command('list')).parse(flags, { from: 'user' });
      const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
      return pageOf(command, hasColours === undefined ? streams : { ...streams, hasColours }).paint('x', 'bad');
    };
    const red = coloured('x', 'bad');
    expect([paintOf([]), paintOf([], false), paintOf([], true)]).toEqual(['x', 'x', red]);
    expect([paintOf(['--color', 'always'], false), paintOf(['--color', 'never'], true)]).toEqual([red, 'x']);
  });
});

test('a format that a command does not have is refused with those that it has', () => {
  const command = addOutputOption(
    new Command('list').exitOverride().configureOutput({ writeErr: () => {} }),
    WIDE_LIST_FORMATS,
  );
  expect(() => command.parse(['-o', 'xml'], { from: 'user' })).toThrow(
    'Allowed choices are table, wide, json, jsonl, csv.',
  );
});
