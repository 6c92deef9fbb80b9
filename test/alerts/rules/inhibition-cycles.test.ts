import { expect, test } from 'vitest';
import { inhibitionCycles } from '../../../src/alerts/rules/inhibition-cycles.ts';
import type { Inhibition, Rule } from '../../../src/alerts/rules/rule.ts';
import { inhibitionOf } from '../../support/notify-rules.ts';

type Known = Pick<Rule, 'name' | 'severity' | 'labels' | 'forEach'>;

function rule(name: string, severity = 'page', over: Partial<Known> = {}): Known {
  return { name, severity, labels: {}, forEach: 'worker', ...over };
}

const find = (rules: readonly Known[], ...inhibitions: Inhibition[]) => inhibitionCycles(inhibitions, rules);
const RULES = [rule('A'), rule('B'), rule('C', 'ticket')];

test('a cycle is found, and a chain is none', () => {
  const aToB = inhibitionOf(['alertname="A"'], ['alertname="B"'], ['worker']);
  const bToTickets = inhibitionOf(['alertname="B"'], ['severity="ticket"'], ['worker']);
  const ticketsToA = inhibitionOf(['severity="ticket"'], ['alertname=~"A|X"']);
  expect(find(RULES, aToB, bToTickets)).toEqual([]);
  expect(find(RULES, bToTickets, aToB, ticketsToA)).toEqual([[bToTickets, ticketsToA, aToB]]);
  expect(find(RULES, aToB, inhibitionOf(['alertname="B"'], ['alertname="A"']))).toHaveLength(1);
});

test('what rules say of their alerts counts: a severity, labels, and whether they are of a worker', () => {
  const pages = inhibitionOf(['severity="page"'], ['severity="ticket"']);
  const back = inhibitionOf(['alertname="A"'], ['alertname!="A"']);
  // Only an A that is a ticket could be inhibited by another page.
  expect(find(RULES, pages, back)).toEqual([]);
  expect(find([...RULES, rule('A', 'ticket')], pages, back)).toEqual([[pages, back]]);
  const team = [rule('A', 'page', { labels: { team: 'x' } }), rule('B', 'page', { labels: { team: 'y' } })];
  const there = inhibitionOf(['team="x"'], ['alertname="B"']);
  expect(find(team, there, inhibitionOf(['alertname="B"'], ['team="x"']))).toHaveLength(1);
  expect(find(team, there, inhibitionOf(['alertname="B"', 'team="x"'], ['alertname="A"']))).toEqual([]);
});

test('a silent group inhibits its dead workers, each of which inhibits what else is said of it: no cycle', () => {
  const rules = [rule('GroupSilent', 'page', { forEach: 'group' }), rule('WorkerInactive'), rule('Hot')];
  const silent = inhibitionOf(['alertname="GroupSilent"'], ['alertname="WorkerInactive"'], ['group']);
  const dead = inhibitionOf(['alertname="WorkerInactive"'], ['alertname!="WorkerInactive"', 'worker!=""'], ['worker']);
  expect(find(rules, silent, dead)).toEqual([]);
  expect(
    find(rules, silent, inhibitionOf(['alertname="WorkerInactive"'], ['alertname!="WorkerInactive"'])),
  ).toHaveLength(1);
});

test('labels that must be equal can make a cycle impossible', () => {
  const there = inhibitionOf(['alertname="A"', 'zone="a"'], ['alertname="B"'], ['zone']);
  const back = inhibitionOf(['alertname="B"', 'zone="b"'], ['alertname="A"'], ['zone']);
  expect(find(RULES, there, back)).toEqual([]);
  expect(find(RULES, there, inhibitionOf(['alertname="B"'], ['alertname="A"'], ['zone']))).toHaveLength(1);
});

test('alerts that match both sides of one rule are no cycle', () => {
  expect(find(RULES, inhibitionOf(['severity="page"'], ['severity=~".*"']))).toEqual([]);
});
