/**
 * Inhibitions that end in a circle: each alert of it keeps the next one silent, so that nobody is told of any.
 *
 * An alert of rule A inhibits one of rule B by an inhibition if the first can match `source` and the second `target`, with equal
 * values of `equal`. What a rule file says of an alert's labels are `alertname`, `severity` and the rule's own; `worker`, `group` and
 * labels of workers may have any value, but an alert has only one of each: what it must match as a target and as a source of the next
 * inhibition has to fit together. By one inhibition alone there is no circle, since, as in Alertmanager, an alert that matches both of
 * its sides inhibits none that does the same.
 */
import { labelTest } from '../../model/label-matchers.ts';
import type { Inhibition, Matcher, Rule } from './rule.ts';

/** Each names a rule and the inhibition by which it inhibits the next; the last one inhibits the first. */
export type InhibitionCycle = readonly { readonly rule: Rule; readonly by: Inhibition }[];

/** Pairs of rules that are looked at: more than any file of people has, and a second at most. */
const MAX_STEPS = 2_000_000;

/** @returns undefined if there is none, `unknown` if the file has too many rules and inhibitions to look */
export function inhibitionCycle(
  rules: readonly Rule[],
  inhibitions: readonly Inhibition[],
): InhibitionCycle | 'unknown' | undefined {
  const search = new Search(rules, inhibitions);
  for (const by of inhibitions) {
    for (const rule of search.targetsOf(by)) {
      const found = search.from({ by, rule });
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** An alert of `rule` that is a target of `by`. */
interface Step {
  readonly by: Inhibition;
  readonly rule: Rule;
}

class Search {
  readonly #inhibitions: readonly Inhibition[];
  readonly #targets: ReadonlyMap<Inhibition, readonly Rule[]>;
  /** By rule: inhibitions by which it was a target, from which no circle was found. */
  readonly #done = new Map<Rule, Set<Inhibition>>();
  #left = MAX_STEPS;

  constructor(rules: readonly Rule[], inhibitions: readonly Inhibition[]) {
    this.#inhibitions = inhibitions;
    this.#targets = new Map(
      inhibitions.map((inhibition) => [inhibition, rules.filter((rule) => mayMatch(rule, inhibition.target))]),
    );
  }

  targetsOf(inhibition: Inhibition): readonly Rule[] {
    return this.#targets.get(inhibition) ?? [];
  }

  /** Depth first, without recursion: chains may be long. */
  from(start: Step): InhibitionCycle | 'unknown' | undefined {
    const path = [{ step: start, next: this.#after(start) }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { value: step, done: isOver } = this.#isDone(top.step) ? { value: undefined, done: true } : top.next.next();
      if (this.#left <= 0) return 'unknown';
      if (isOver === true || step === undefined) {
        this.#setDone(top.step);
        path.pop();
        continue;
      }
      const begin = path.findIndex((entry) => entry.step.by === step.by && entry.step.rule === step.rule);
      if (begin === -1) {
        path.push({ step, next: this.#after(step) });
        continue;
      }
      const circle = path.slice(begin).map((entry) => entry.step);
      return circle.map(({ rule }, index) => ({ rule, by: (circle[index + 1] ?? (circle[0] as Step)).by }));
    }
    return undefined;
  }

  /** What an alert that is a target can inhibit in turn. */
  *#after({ by, rule }: Step): Generator<Step> {
    for (const next of this.#inhibitions) {
      if (next === by || !mayMatch(rule, [...by.target, ...next.source])) continue;
      for (const target of this.targetsOf(next)) {
        if (--this.#left <= 0) return;
        if (mayBeEqual(rule, target, next.equal)) yield { by: next, rule: target };
      }
    }
  }

  #isDone({ by, rule }: Step): boolean {
    return this.#done.get(rule)?.has(by) === true;
  }

  #setDone({ by, rule }: Step): void {
    const own = this.#done.get(rule) ?? new Set();
    this.#done.set(rule, own.add(by));
  }
}

/** What is known of a label before there is an alert; undefined: it may have any value. */
function labelOf({ name, severity, labels, forEach }: Rule, label: string): string | undefined {
  if (label === 'alertname') return name;
  if (label === 'severity') return severity;
  if (Object.hasOwn(labels, label)) return labels[label];
  if (forEach === 'worker') return undefined;
  return label === 'group' && forEach === 'group' ? undefined : '';
}

/** Whether one alert of the rule can match all of them. */
function mayMatch(rule: Rule, matchers: readonly Matcher[]): boolean {
  return matchers.every((matcher) => {
    const { name } = matcher;
    const known = labelOf(rule, name) ?? matchers.find((other) => other.name === name && isExact(other))?.value;
    return known === undefined || matches(matcher, known);
  });
}

function isExact({ isEqual, isRegex }: Matcher): boolean {
  return isEqual && !isRegex;
}

function mayBeEqual(a: Rule, b: Rule, labels: readonly string[]): boolean {
  return labels.every((label) => {
    const [left, right] = [labelOf(a, label), labelOf(b, label)];
    if (left !== undefined && right !== undefined) return left === right;
    // Alerts of workers have a label `worker`, those of groups and of the cluster have none.
    return label !== 'worker' || left === right;
  });
}

/** Compiled once for each matcher. */
const tests = new WeakMap<Matcher, (labels: Readonly<Record<string, string>>) => boolean>();

function matches(matcher: Matcher, value: string): boolean {
  const test = tests.get(matcher) ?? labelTest([matcher]);
  tests.set(matcher, test);
  return test({ [matcher.name]: value });
}

/** `A inhibits B (line 3), B inhibits A (by default)`. */
export function cycleInWords(cycle: InhibitionCycle): string {
  return cycle
    .map(({ rule, by }, index) => {
      const next = (cycle[index + 1] ?? cycle[0])?.rule.name;
      return `${rule.name} inhibits ${next} (${by.place === undefined ? 'by default' : `line ${by.place.line}`})`;
    })
    .join(', ');
}
