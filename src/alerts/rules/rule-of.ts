/** One rule: its fields, checked, with its expressions. */
import { createHash } from 'node:crypto';
import { checkExpression } from '../expression/check.ts';
import type { CheckedExpression } from '../expression/checked.ts';
import { canonicalText } from '../expression/parse.ts';
import { checkTemplate, type Template } from '../expression/template.ts';
import type { Path } from './document.ts';
import { partsOf } from './parts-of.ts';
import type { Problems } from './problems.ts';
import type { Rule } from './rule.ts';
import { type RuleFields, ruleSchema } from './schema.ts';

/** @returns undefined after problems */
export function ruleOf(value: unknown, path: Path, problems: Problems, isShipped: boolean): Rule | undefined {
  const what = nameOf(value, path);
  const fields = problems.parse(ruleSchema, value, path, what);
  // What else is right is checked even so: all mistakes are shown at once.
  const given = fields ?? partsOf(ruleSchema, value);
  const forEach = given.for_each ?? 'worker';
  const condition = (field: 'when' | 'clear_when'): CheckedExpression | undefined => {
    const text = given[field];
    if (typeof text !== 'string') return undefined;
    const at = [...path, field];
    const result = checkExpression(text, forEach, problems.places.within(at, 0));
    problems.addExpression(at, `${what}, ${field}`, result);
    return result.expression;
  };
  const when = condition('when');
  const clearWhen = condition('clear_when');
  const texts = given.annotations ?? textsIn((value as { annotations?: unknown } | null)?.annotations);
  const annotations = Object.entries(texts).map(([name, text]): [string, Template] => {
    const at = [...path, 'annotations', name];
    const result = checkTemplate(text, forEach, (offset) => problems.places.within(at, offset));
    problems.addExpression(at, `${what}, annotations.${name}`, result);
    return [name, result.template];
  });
  for (const [name, text] of Object.entries((value as { labels?: unknown } | null)?.labels ?? {})) {
    if (typeof text !== 'string' || !text.includes('{{')) continue;
    const message = 'labels take no templates, since they identify the alert; expected a fixed text, or an annotation';
    problems.add([...path, 'labels', name], `${what}, labels.${name}: ${message}`);
  }
  if (fields === undefined || when === undefined || (fields.clear_when !== undefined && clearWhen === undefined)) {
    return undefined;
  }
  return {
    name: fields.alert,
    forEach,
    when,
    clearWhen,
    forMs: fields.for,
    keepFiringForMs: fields.keep_firing_for,
    noDataAfterMs: fields.no_data_after,
    severity: fields.severity,
    labels: fields.labels,
    annotations: Object.fromEntries(annotations),
    runbookUrl: fields.runbook_url,
    isShipped,
    place: problems.places.of(path),
    digest: digestOf(fields, when, clearWhen),
  };
}

/** Those beside one of another type are checked even so. */
function textsIn(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function nameOf(value: unknown, path: Path): string {
  const name = typeof value === 'object' && value !== null ? (value as { alert?: unknown }).alert : undefined;
  return typeof name === 'string' && name !== '' ? `rule ${name.slice(0, 200)}` : `rule ${Number(path.at(-1)) + 1}`;
}

/** Spaces, comments and brackets that change nothing do not change it. */
function digestOf(fields: RuleFields, when: CheckedExpression, clearWhen: CheckedExpression | undefined): string {
  const condition = [
    fields.for_each,
    canonicalText(when.ast),
    clearWhen === undefined ? null : canonicalText(clearWhen.ast),
    Object.entries(fields.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    fields.severity,
  ];
  return createHash('sha256').update(JSON.stringify(condition)).digest('hex').slice(0, 16);
}
