/** Checked rules as people read them. */
import type { LoadedRules, RuleText } from '../model/alerts-status.ts';
import type { Template } from './expression/template.ts';
import type { Rule, RuleSet } from './rules/rule.ts';

export function loadedRules(set: RuleSet, load: number, loadedUnixMs: number): LoadedRules {
  return {
    load,
    loadedUnixMs,
    path: set.path ?? null,
    evaluationIntervalMs: set.evaluationIntervalMs,
    rules: set.rules.map(ruleText),
    receivers: set.receivers.map(({ name, targets }) => ({ name, kinds: targets.map(({ kind }) => kind) })),
    muteTimes: set.muteTimes.map(({ name }) => name),
  };
}

function ruleText(rule: Rule): RuleText {
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
    runbookUrl: rule.runbookUrl ?? null,
    isShipped: rule.isShipped,
    isDisabled: false,
    place: rule.place ?? null,
  };
}

function written(template: Template): string {
  return template.map((part) => (typeof part === 'string' ? part : `{{ ${part.text} }}`)).join('');
}
