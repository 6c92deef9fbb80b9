/** Alerting rules of a master as `-o json`, `jsonl` and `csv` have them, and as a table: a checked answer of the API. */
import { z } from 'zod';
import { FOR_EACH } from '../../model/alert.ts';
import type { Page } from '../text/page.ts';
import { type Cell, type Column, prose, table } from '../text/table.ts';
import { countOf } from '../text/units.ts';
import { problemItem } from './alert-items.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';

const rule = z.looseObject({
  alert: z.string(),
  for_each: z.enum(FOR_EACH),
  when: z.string(),
  severity: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
  shipped: z.boolean(),
  disabled: z.boolean(),
  pending: z.number(),
  firing: z.number(),
  errors: z.number(),
  last_error: z.object({ at: z.string(), message: z.string() }).nullable().default(null),
  problem: z.object({ detail: z.string(), since: z.string() }).nullable().default(null),
});
export type RuleItem = z.infer<typeof rule>;

const page = z.looseObject({
  path: z.string().nullable().default(null),
  rules: z.array(rule),
  problems: z.array(problemItem).default([]),
});
export type RulesPage = z.infer<typeof page>;

/** Of `GET /api/v1/rules`. */
export function rulesPageOf({ body }: ApiAnswer): RulesPage {
  const parsed = page.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/rules');
  return parsed.data;
}

/** The columns of CSV. */
export const RULE_FIELDS = [
  'alert',
  'state',
  'severity',
  'for_each',
  'firing',
  'pending',
  'errors',
  'shipped',
  'when',
  'problem',
] as const;

export function flatRule(item: RuleItem): Readonly<Record<string, unknown>> {
  const { alert, severity, for_each, firing, pending, errors, shipped, when, problem } = item;
  return {
    alert,
    state: stateOf(item),
    severity,
    for_each,
    firing,
    pending,
    errors,
    shipped,
    when,
    problem: problem?.detail ?? null,
  };
}

const COLUMNS: readonly Column[] = [
  { title: 'RULE', maxWidth: 40, shortensTo: 12 },
  { title: 'STATE' },
  { title: 'SEVERITY', maxWidth: 12, rank: 2 },
  { title: 'FOR EACH', rank: 1 },
  { title: 'FIRING', align: 'right' },
  { title: 'PENDING', align: 'right', rank: 3 },
  { title: 'WHEN', wrapsTo: 20 },
];

/** Those of which something is to be said first, with what it is. */
export function rulesText({ path, rules, problems }: RulesPage, textPage: Page): string {
  const order = ['problem', 'firing', 'pending', 'ok', 'disabled'];
  const sorted = rules.toSorted((a, b) => order.indexOf(stateOf(a)) - order.indexOf(stateOf(b)));
  const from = path === null ? 'only the shipped rules are loaded (ALERT_RULES is not set)' : `from ${path}`;
  const ofRules = rules.flatMap(({ problem }) => (problem === null ? [] : [problem.detail]));
  const others = problems.filter(({ code }) => code !== 'rule').map(({ detail }) => detail);
  const trouble = [...ofRules, ...others].map((detail) => `\n\n${prose(`Alerts are degraded: ${detail}`, textPage)}`);
  const total = prose(`${countOf(rules.length, 'rule')}, ${from}`, textPage);
  return `${table(COLUMNS, sorted.map(row), textPage)}\n\n${total}${trouble.join('')}`;
}

function row(item: RuleItem): Cell[] {
  const state = stateOf(item);
  const meaning = { problem: 'bad', firing: 'bad', pending: 'warning', ok: 'good', disabled: 'old' } as const;
  return [
    item.alert,
    { text: state, meaning: meaning[state] },
    item.severity,
    item.for_each,
    String(item.firing),
    String(item.pending),
    item.when,
  ];
}

function stateOf({ disabled, problem, firing, pending }: RuleItem) {
  if (disabled) return 'disabled';
  if (problem !== null) return 'problem';
  if (firing > 0) return 'firing';
  return pending > 0 ? 'pending' : 'ok';
}
