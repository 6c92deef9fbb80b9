import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inhibited, inhibitorOf } from '../../../src/alerts/notify/inhibition.ts';
import { MAX_SHOWN_INHIBITORS } from '../../../src/alerts/notify/notify-limits.ts';
import type { Inhibition } from '../../../src/alerts/rules/rule.ts';
import { labelTest } from '../../../src/model/label-matchers.ts';
import { inhibitionOf } from '../../support/notify-rules.ts';
import { repetitions } from '../../support/repetitions.ts';

interface Firing {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

const named = (id: string, labels: Record<string, string> = {}): Firing => ({
  id,
  labels: { alertname: id, ...labels },
});
const find = (rules: readonly Inhibition[], firing: readonly Firing[]) =>
  Object.fromEntries(inhibited(rules.map(inhibitorOf), firing));

test('a source inhibits targets with equal labels, where missing ones are empty, and not itself', () => {
  const rules = [inhibitionOf(['alertname="Down"'], ['alertname=~".+"'], ['worker', 'zone'])];
  const firing = [
    { id: 'down', labels: { alertname: 'Down', worker: 'a' } },
    { id: 'same', labels: { alertname: 'Hot', worker: 'a', zone: '' } },
    { id: 'other', labels: { alertname: 'Hot', worker: 'b' } },
    { id: 'down 2', labels: { alertname: 'Down', worker: 'a' } },
  ];
  expect(find(rules, firing)).toEqual({ same: ['down', 'down 2'] });
});

test('chains inhibit along their way; in a cycle nobody inhibits another', () => {
  const chain = [
    inhibitionOf(['alertname="A"'], ['alertname="B"']),
    inhibitionOf(['alertname="B"'], ['alertname="C"']),
  ];
  const firing = [named('A'), named('B'), named('C')];
  expect(find(chain, firing)).toEqual({ B: ['A'], C: ['B'] });
  const cycle = [...chain, inhibitionOf(['alertname="C"'], ['alertname="A"'])];
  expect(find(cycle, firing)).toEqual({});
  // Who inhibits from outside the cycle counts, and so does who is inhibited by it.
  const entered = [
    ...cycle,
    inhibitionOf(['alertname="X"'], ['alertname="B"']),
    inhibitionOf(['alertname="A"'], ['alertname="Y"']),
  ];
  expect(find(entered, [...firing, named('X'), named('Y')])).toEqual({ B: ['X'], Y: ['A'] });
});

test('20,000 alerts of which each inhibits each other take no more than a list of them', () => {
  const rules = [inhibitionOf(['side="a"'], ['side="b"']), inhibitionOf(['side="b"'], ['side="c"'])];
  const firing = Array.from({ length: 20_000 }, (_, i) => ({
    id: String(i),
    labels: { side: 'abc'[i % 3] as string },
  }));
  const found = inhibited(rules.map(inhibitorOf), firing);
  expect(found.size).toBe(13_333);
  for (const ids of found.values()) expect(ids.length).toBe(MAX_SHOWN_INHIBITORS);
});

const labels = fc.record({ a: fc.constantFrom('', '1', '2'), b: fc.constantFrom('', '1', '2') });
const side = fc.array(fc.constantFrom('a="1"', 'a="2"', 'b="1"', 'b!="1"', 'a!="2"', 'a=~"1|2"'), {
  minLength: 1,
  maxLength: 2,
});
const rule = fc
  .record({ source: side, target: side, equal: fc.subarray(['a', 'b']) })
  .map(({ source, target, equal }) => inhibitionOf(source, target, equal));

test('beside a plain model: pairs that inhibit, without those that are on a way back', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), fc.array(labels, { maxLength: 8 }), (rules, sets) => {
      const firing = sets.map((set, i) => ({ id: String(i), labels: set }));
      const pairs = firing.flatMap((source) =>
        firing
          .filter((target) => rules.some((one) => inhibits(one, source, target)))
          .map((target) => [source.id, target.id]),
      );
      const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
        pairs.some(([a, b]) => {
          if (a !== from || b === undefined || seen.has(b)) return false;
          return b === to || reaches(b, to, seen.add(b));
        });
      const expected: Record<string, string[]> = {};
      for (const [source, target] of pairs as [string, string][]) {
        if (!reaches(target, source)) expected[target] = [...(expected[target] ?? []), source].sort();
      }
      const found = find(rules, firing);
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
      for (const [id, ids] of Object.entries(found)) {
        expect(expected[id]).toEqual(expect.arrayContaining(ids));
        expect(ids.length).toBe(Math.min(MAX_SHOWN_INHIBITORS, (expected[id] as string[]).length));
        // Whoever is inhibited can ask on until somebody is not.
        expect(ids.every((source) => !reaches(id, source))).toBe(true);
      }
    }),
    { numRuns: repetitions(500, 20_000) },
  );
});

function inhibits({ source, target, equal }: Inhibition, from: Firing, to: Firing): boolean {
  const isSource = labelTest(source);
  const isTarget = labelTest(target);
  if (!isSource(from.labels) || !isTarget(to.labels)) return false;
  if (isTarget(from.labels) && isSource(to.labels)) return false;
  return equal.every((name) => (from.labels[name] ?? '') === (to.labels[name] ?? ''));
}
