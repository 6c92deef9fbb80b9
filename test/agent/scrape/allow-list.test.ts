/** Which series are taken: patterns against a regular expression, which is slower and easier to trust. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AllowList } from '../../../src/agent/scrape/allow-list.ts';
import { seriesPatterns } from '../../../src/config/series-patterns.ts';

function has(patterns: string, name: string, labels: Readonly<Record<string, string>> = {}): boolean {
  return new AllowList(seriesPatterns.parse(patterns)).has({ name, labels: Object.entries(labels), value: 1 });
}

test('a pattern without braces takes all series of a metric, one with braces those that have its labels', () => {
  expect(has('node_load1', 'node_load1', { x: '1' })).toBe(true);
  expect(has('node_load1', 'node_load15')).toBe(false);
  expect(has('node_load*', 'node_load15')).toBe(true);
  expect(has('node_network_*{device=eth0}', 'node_network_up', { device: 'eth0' })).toBe(true);
  expect(has('node_network_*{device=eth0}', 'node_network_up', { device: 'eth1' })).toBe(false);
  expect(has('', 'a')).toBe(false);
  expect(has('.', 'a')).toBe(false);
});

test('labels are some of a series’ labels, in any order, with quotes or without', () => {
  const cpu = { cpu: '0', mode: 'idle' };
  for (const braces of ['{mode=idle}', '{mode="idle"}', '{ mode = "idle" , cpu=0, }', '{cpu="0",mode="i*"}', '{}']) {
    expect(has(`c${braces}`, 'c', cpu)).toBe(true);
  }
  expect(has('c{mode=user}', 'c', cpu)).toBe(false);
  expect(has('c{mode=idle,other=*}', 'c', cpu)).toBe(false);
  expect(has('a,c{mode=idle,cpu=0},b', 'c', cpu)).toBe(true);
  expect(has(String.raw`c{path="/a,b\"\\x"}`, 'c', { path: String.raw`/a,b"\x` })).toBe(true);
});

test.each(['c{', 'c{mode}', 'c{mode=idle', 'c}', '{mode=idle}', 'c{=x}', 'c{a="x}', 'c{a=x}b'])(
  '%s is no pattern',
  (text) => {
    expect(() => seriesPatterns.parse(text)).toThrow(`${JSON.stringify(text)} is not one`);
  },
);

test('tells which patterns nothing has matched, also those behind one that matched', () => {
  const allowed = new AllowList(seriesPatterns.parse('*,node_load1,node_memroy*'));
  expect(allowed.has({ name: 'node_load1', labels: [], value: 1 })).toBe(true);
  expect(allowed.unused).toEqual(['node_memroy*']);
});

test('stars match as they do in a regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n'), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      const model = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's');
      fc.pre(glob !== '');
      expect(has(glob, name)).toBe(model.test(name));
    }),
  );
});
