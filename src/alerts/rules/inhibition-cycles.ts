/**
 * Cycles among the rules of inhibition: alerts that fit them would suppress each other. Found from what is written alone: matchers,
 * and what rules say of their alerts' labels.
 */
import { labelTest } from '../../model/label-matchers.ts';
import type { Inhibition, Matcher, Rule } from './rule.ts';

/** What is known of the labels of an alert. */
type Known = readonly Matcher[];

/**
 * Longer searches give up, and take it that there is no cycle: alerts do not suppress each other in any case, see
 * ../notify/inhibition.ts. A step takes some microseconds.
 */
const MAX_STEPS = 100_000;

/**
 * @param rules all rules whose alerts there can be
 * @returns cycles, each in its order; of several through the same rule of inhibition, the shortest
 */
export function inhibitionCycles(
  inhibitions: readonly Inhibition[],
  rules: readonly Pick<Rule, 'name' | 'severity' | 'labels' | 'forEach'>[],
): readonly (readonly Inhibition[])[] {
  const known = rules.map(knownOf);
  let steps = 0;
  const isFollowedBy = (rule: Inhibition, next: Inhibition) =>
    known.some((labels) => ++steps <= MAX_STEPS && canMatchAll([...rule.target, ...next.source, ...labels]));
  const arrows = inhibitions.map((rule, i) =>
    inhibitions.flatMap((next, j) => (i !== j && isFollowedBy(rule, next) ? [j] : [])),
  );
  const cycles: Inhibition[][] = [];
  const seen = new Set<number>();
  for (const i of inhibitions.keys()) {
    if (seen.has(i)) continue;
    const cycle = shortestCycle(i, arrows, (way) =>
      canBeGone(
        way.map((at) => inhibitions[at] as Inhibition),
        known,
      ),
    );
    if (cycle === undefined) continue;
    for (const at of cycle) seen.add(at);
    cycles.push(cycle.map((at) => inhibitions[at] as Inhibition));
  }
  return cycles;
}

function knownOf({ name, severity, labels, forEach }: Pick<Rule, 'name' | 'severity' | 'labels' | 'forEach'>): Known {
  const is = (label: string, value: string): Matcher => ({ name: label, value, isRegex: false, isEqual: true });
  const written = Object.entries({ ...labels, alertname: name, severity }).map(([label, value]) => is(label, value));
  if (Object.hasOwn(labels, 'worker')) return written;
  return [...written, { ...is('worker', ''), isEqual: forEach !== 'worker' }];
}

/** Which of the rules' alerts can match all matchers. */
function fitting(matchers: readonly Matcher[], known: readonly Known[]): Known[] {
  return known.filter((labels) => canMatchAll([...matchers, ...labels]));
}

function shortestCycle(
  start: number,
  arrows: readonly (readonly number[])[],
  isPossible: (way: readonly number[]) => boolean,
): number[] | undefined {
  let ways: number[][] = [[start]];
  const visited = new Set<number>();
  while (ways.length > 0) {
    const longer: number[][] = [];
    for (const way of ways) {
      for (const next of arrows[way.at(-1) as number] as readonly number[]) {
        if (next === start) {
          if (isPossible(way)) return way;
        } else if (!visited.has(next)) {
          visited.add(next);
          longer.push([...way, next]);
        }
      }
    }
    ways = longer;
  }
  return undefined;
}

/** Whether there can be alerts around the cycle: alert k is a target of the rule before, and a source of rule k. */
function canBeGone(cycle: readonly Inhibition[], known: readonly Known[]): boolean {
  const asked = cycle.map(({ source }, k) => [...source, ...(cycle.at(k - 1) as Inhibition).target]);
  const candidates = asked.map((matchers) => fitting(matchers, known));
  let steps = 0;
  const choose = (chosen: readonly Known[]): boolean => {
    if (++steps > MAX_STEPS) return false;
    if (chosen.length === cycle.length)
      return agree(
        cycle,
        asked.map((matchers, k) => [...matchers, ...(chosen[k] as Known)]),
      );
    return (candidates[chosen.length] as Known[]).some((labels) => choose([...chosen, labels]));
  };
  return choose([]);
}

/** Where a rule has `equal`, alert k and the one after it share values, and with them all that is asked of these. */
function agree(cycle: readonly Inhibition[], asked: readonly (readonly Matcher[])[]): boolean {
  const names = new Set([...asked.flat().map(({ name }) => name), ...cycle.flatMap(({ equal }) => equal)]);
  for (const name of names) {
    const isShared = cycle.map(({ equal }) => equal.includes(name));
    const first = isShared.indexOf(false) + 1;
    let ofValue: Matcher[] = [];
    for (let step = 0; step < cycle.length; step++) {
      const k = (first + step) % cycle.length;
      ofValue.push(...(asked[k] as Matcher[]).filter((matcher) => matcher.name === name));
      if (isShared[k] === true && step < cycle.length - 1) continue;
      if (!canMatchAll(ofValue)) return false;
      ofValue = [];
    }
  }
  return true;
}

/** Whether labels can match all matchers. If only patterns are given, that is known if one of a few likely values does. */
function canMatchAll(matchers: readonly Matcher[]): boolean {
  return [...Map.groupBy(matchers, ({ name }) => name)].every(([name, ofName]) => {
    const test = labelTest(ofName);
    const fits = (value: string) => test({ [name]: value });
    const given = ofName.filter(({ isRegex, isEqual }) => isEqual && !isRegex).map(({ value }) => value);
    if (given.length > 0) return given.some(fits);
    const words = ofName.flatMap(({ isRegex, value }) => (isRegex ? value.split('|') : []));
    const unusual = `x${ofName.map(({ value }) => value).join('')}`;
    return [...words, '', 'x', unusual].some(fits);
  });
}
