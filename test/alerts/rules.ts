/** Rules and what evaluations find of them, for tests without expressions. */
import type { Evaluated, Verdict } from '../../src/alerts/evaluation/evaluated.ts';
import type { CheckedExpression } from '../../src/alerts/expression/checked.ts';
import type { Rule, RuleSet } from '../../src/alerts/rules/rule.ts';
import type { AlertSubject, AlertValue } from '../../src/model/alert.ts';

export function rule(name: string, settings: Partial<Rule> = {}): Rule {
  return {
    name,
    forEach: 'worker',
    when: expression('cpu_usage > 90.0'),
    clearWhen: undefined,
    forMs: 0,
    keepFiringForMs: 0,
    noDataAfterMs: undefined,
    severity: 'page',
    labels: {},
    annotations: {},
    runbookUrl: undefined,
    isShipped: false,
    place: undefined,
    digest: `digest of ${name}`,
    ...settings,
  };
}

export function expression(text: string): CheckedExpression {
  return { text, forEach: 'worker', windows: [] } as unknown as CheckedExpression;
}

export function ruleSet(rules: readonly Rule[], settings: Partial<RuleSet> = {}): RuleSet {
  return {
    evaluationIntervalMs: 5000,
    rules,
    disabled: [],
    receivers: [],
    route: {
      receiver: 'log',
      groupBy: ['alertname'],
      groupWaitMs: 2000,
      groupIntervalMs: 5000,
      repeatIntervalMs: 4 * 3_600_000,
      match: [],
      muteTimes: [],
      continues: false,
      routes: [],
    },
    inhibitions: [],
    muteTimes: [],
    path: undefined,
    ...settings,
  };
}

export const worker = (name: string): AlertSubject => ({ kind: 'worker', name });

/** By worker: what was found, and the value of `cpu_usage`. A worker that is missing is one for which the rule fails. */
export type FoundOf = Readonly<Record<string, Verdict | readonly [Verdict, AlertValue]>>;

export function evaluated(ofRule: Rule, found: FoundOf, settings: Partial<Evaluated> = {}): Evaluated {
  const verdictOf = ({ name }: AlertSubject): Verdict => {
    const one = found[name] ?? 'fails';
    return typeof one === 'string' ? one : one[0];
  };
  const usageOf = ({ name }: AlertSubject): AlertValue => {
    const one = found[name] ?? 'fails';
    if (typeof one !== 'string') return one[1];
    return one === 'holds' ? 95 : one === 'fails' ? 10 : null;
  };
  return {
    rule: ofRule,
    atUnixMs: 0,
    holding: Object.keys(found)
      .map(worker)
      .filter((subject) => verdictOf(subject) === 'holds'),
    verdictOf,
    clearOf: () => 'fails',
    valuesOf: (subject) => ({ atUnixMs: 0, parts: [{ text: 'cpu_usage', value: usageOf(subject) }] }),
    annotationsOf: (subject) => ({ summary: `${subject.name} is at ${usageOf(subject)}` }),
    ...settings,
  };
}
