/** Whether what alerts are filtered by exists at the master: what is misspelt matches nothing, and nothing looks like "all is well". */
import { nearName } from '../alerts/expression/near-name.ts';
import { validNames } from '../alerts/state/label-names.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { AlertJson } from '../model/alert-json.ts';
import { labelTest, parseMatcher } from '../model/label-matchers.ts';
import type { AlertFlags } from './alert-query.ts';
import type { ApiClient } from './client/api.ts';
import { rulesPageOf } from './views/rule-items.ts';

/** Labels of workers are looked for in so many of them. */
const MAX_WORKERS = 10_000;
const OWN_LABELS = ['alertname', 'severity', 'worker', 'group'];

/**
 * @param found alerts that passed the filters: what they have exists, also if the rules have changed
 * @throws PulselaneError `not_found`, naming the rule, severity or label that does not exist
 */
export async function checkNames(
  api: Pick<ApiClient, 'alertRules' | 'listWorkers'>,
  { rule, severity, filter = [] }: Pick<AlertFlags, 'rule' | 'severity' | 'filter'>,
  found: readonly AlertJson[],
): Promise<void> {
  if (rule === undefined && severity === undefined && filter.length === 0) return;
  const { rules } = rulesPageOf(await api.alertRules());
  const active = rules.filter(({ disabled }) => !disabled);
  const names = [...active, ...found].map(({ alert }) => alert);
  const severities = [...active, ...found].map((one) => one.severity);
  const known = (name: string, all: readonly string[], what: string) => {
    if (all.includes(name)) return;
    const meant = nearName(name, all);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    throw new PulselaneError('not_found', `${what} ${name}${hint}`);
  };
  if (rule !== undefined) {
    const isOff = rules.some(({ alert, disabled }) => alert === rule && disabled);
    known(rule, names, isOff ? 'the rule file switches off the rule' : 'no rule is called');
  }
  for (const one of severity?.split(',') ?? []) known(one, severities, 'no rule has the severity');
  const matchers = filter.map(parseMatcher);
  for (const matcher of matchers) {
    const values = { alertname: names, severity: severities }[matcher.name];
    if (values === undefined || !matcher.isEqual) continue;
    if (!matcher.isRegex) {
      known(matcher.value, values, matcher.name === 'severity' ? 'no rule has the severity' : 'no rule is called');
    } else if (!values.some((value) => labelTest([matcher])({ [matcher.name]: value }))) {
      throw new PulselaneError('not_found', `no rule has a ${matcher.name} that matches ${matcher.value}`);
    }
  }
  const labels = [...OWN_LABELS, ...[...active, ...found].flatMap((one) => Object.keys(validNames(one.labels)))];
  const others = matchers.map(({ name }) => name).filter((name) => !labels.includes(name));
  if (others.length === 0) return;
  const all = [...labels, ...(await labelsOfWorkers(api))];
  for (const name of others) known(name, all, 'no alert can have the label');
}

async function labelsOfWorkers(api: Pick<ApiClient, 'listWorkers'>): Promise<string[]> {
  const pages = (await api.listWorkers({ fields: 'labels' }, MAX_WORKERS)) ?? [];
  const workers = pages.flatMap(
    ({ body }) => (body as { workers?: readonly { labels?: Record<string, string> }[] }).workers ?? [],
  );
  return workers.flatMap(({ labels }) => Object.keys(validNames(labels ?? {})));
}
