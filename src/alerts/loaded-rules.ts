/** Checked rules as people read them. */
import type { LoadedRules, RuleText } from '../model/alerts-status.ts';
import type { Template } from './expression/template.ts';
import { runbookLink } from './link.ts';
import type { Rule, RuleSet } from './rules/rule.ts';
import { shippedRules } from './rules/shipped.ts';

/** The rules, and the shipped ones that are switched off: in the order of {@link LoadedRules.rules}. */
export function shownRules({ rules, disabled }: RuleSet): readonly Rule[] {
  return [...rules, ...shippedRules().filter(({ name }) => disabled.includes(name))];
}

/** @param publicUrl base of links to the master */
export function loadedRules(set: RuleSet, load: number, loadedUnixMs: number, publicUrl: string): LoadedRules {
  return {
    load,
    loadedUnixMs,
    path: set.path ?? null,
    evaluationIntervalMs: set.evaluationIntervalMs,
    rules: shownRules(set).map((rule) => ruleText(rule, !set.rules.includes(rule), publicUrl)),
    receivers: set.receivers.map(({ name, targets }) => ({ name, kinds: targets.map(({ kind }) => kind) })),
    muteTimes: set.muteTimes.map(({ name }) => name),
  };
}

function ruleText(rule: Rule, isDisabled: boolean, publicUrl: string): RuleText {
  return {
    name: rule.name,
    forEach: rule.forEach,
    when: rule.when.text,
    clearWhen: rule.clearWhen?.text ?? null,
    forMs: rule.forMs,
    keepFiringForMs: rule.keepFiringForMs,
    noDataAfterMs: rule.noDataAfterMs ?? null,
    severity: rule.severity,
    labels: rule.labels,
    annotations: Object.fromEntries(Object.entries(rule.annotations).map(([name, text]) => [name, written(text)])),
    runbookUrl: runbookLink(publicUrl, rule.runbookUrl ?? null),
    isShipped: rule.isShipped,
    isDisabled,
    place: rule.place ?? null,
  };
}

function written(template: Template): string {
  return template.map((part) => (typeof part === 'string' ? part : `{{ ${part.text} }}`)).join('');
}
