/** Which series are taken: patterns against a regular expression, which is slower and easier to trust. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AllowList } from '../../../src/agent/scrape/allow-list.ts';

function has(patterns: readonly string[], metric: string, series = metric): boolean {
  return new AllowList(patterns).has(metric, () => series);
}

test('a pattern without braces takes all series of a metric, one with braces its series alone', () => {
  expect(has(['node_load1'], 'node_load1', 'node_load1{x=1}')).toBe(true);
  expect(has(['node_load1'], 'node_load15')).toBe(false);
  expect(has(['node_load*'], 'node_load15')).toBe(true);
  expect(has(['node_network_*{device=eth0}'], 'node_network_up', 'node_network_up{device=eth0}')).toBe(true);
  expect(has(['node_network_*{device=eth0}'], 'node_network_up', 'node_network_up{device=eth1}')).toBe(false);
  expect(has(['*{*mode=idle*}'], 'c', 'c{cpu=0,mode=idle}')).toBe(true);
  expect(has([], 'a')).toBe(false);
  expect(has(['.'], 'a')).toBe(false);
});

test('stars match as they do in a regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n'), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      const model = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's');
      expect(has([glob], name)).toBe(model.test(name));
    }),
  );
});
