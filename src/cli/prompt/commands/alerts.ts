import { PulselaneError } from '../../../lib/errors.ts';
import { ALERT_STATES, type AlertState } from '../../../model/alert.ts';
import { alertJson, problemsJson } from '../../../model/alert-json.ts';
import { parseMatcher } from '../../../model/label-matchers.ts';
import type { LabelMatcher } from '../../../model/silence.ts';
import { type AlertCriteria, listAlerts } from '../../../reading/alert-list.ts';
import { alertDetails, alertsText } from '../../views/alerts-text.ts';
import { type PromptCommand, workerIds } from '../command.ts';
import { knownWorker } from '../known-worker.ts';
import { operatedAlerts } from '../operated-alerts.ts';

/** More would push everything else out of the terminal's memory. */
const MAX_SHOWN = 200;

export const alerts: PromptCommand = {
  names: ['alerts'],
  usage: 'alerts [all] [<id of an alert, or of a worker>] [<filter>…]',
  help:
    'what fires or is pending, and why; "all": also what was resolved recently; filters: state=firing severity=page ' +
    'rule=Hot group=rack-7, or a label such as worker=~"rack-7-.*"',
  run(args, context) {
    const { clock, page } = context;
    const { table, status } = operatedAlerts(context);
    const nowMs = clock.wallMs();
    const words = args.filter((word) => word !== 'all');
    const [id, ...others] = words.filter((word) => !isFilter(word));
    if (others.length > 0) throw new PulselaneError('invalid_argument', `expected one id, got ${words.join(' ')}`);
    const one = id === undefined ? undefined : table.get(id);
    if (one !== undefined) return alertDetails([alertJson(one)], nowMs, page());
    const filters = words.filter(isFilter);
    const criteria = criteriaOf(filters);
    const isAll = words.length < args.length || id !== undefined;
    const states = criteria.states ?? (isAll ? ALERT_STATES : (['firing', 'pending'] as const));
    const found = listAlerts(table.all(), { ...criteria, states, ...(id === undefined ? {} : { worker: id }) });
    if (id !== undefined && found.length === 0) knownWorker(context, id);
    const listed = found.slice(0, MAX_SHOWN).map(alertJson);
    if (id !== undefined && listed.length > 0) return alertDetails(listed, nowMs, page());
    const evaluatedMs = status?.lastEvaluatedUnixMs ?? null;
    return alertsText(
      {
        alerts: listed,
        total: found.length,
        evaluatedAt: evaluatedMs === null ? null : new Date(evaluatedMs).toISOString(),
        problems: problemsJson(status),
      },
      { nowMs, isFiltered: filters.length > 0 || id !== undefined },
      page(),
    );
  },
  complete: (context) => [
    'all',
    ...ALERT_STATES.map((state) => `state=${state}`),
    ...['severity=', 'rule=', 'group=', 'worker='],
    ...Array.from(context.operator.alerts?.table.all() ?? [], ({ id }) => id),
    ...workerIds(context),
  ],
  completesAll: true,
};

function isFilter(word: string): boolean {
  return /^[\w.:-]+(?:=|!=|=~|!~)/.test(word);
}

/** @throws PulselaneError `invalid_argument` */
function criteriaOf(filters: readonly string[]): AlertCriteria {
  const named = (name: string) => filters.find((word) => word.startsWith(`${name}=`) && !word.startsWith(`${name}=~`));
  const given = (name: string) => named(name)?.slice(name.length + 1);
  const own = ['state', 'severity', 'rule', 'group', 'worker'].map(named);
  return {
    states: given('state')?.split(',').map(stateOf),
    severities: given('severity')?.split(','),
    rule: given('rule'),
    group: given('group'),
    worker: given('worker'),
    matchers: filters.filter((word) => !own.includes(word)).map(matcherOf),
  };
}

/** `rule=~"Host.*"` is about the same as `rule=Host`; the label is called alertname. */
function matcherOf(word: string): LabelMatcher {
  const matcher = parseMatcher(word);
  return matcher.name === 'rule' ? { ...matcher, name: 'alertname' } : matcher;
}

function stateOf(name: string): AlertState {
  const state = ALERT_STATES.find((one) => one === name);
  if (state !== undefined) return state;
  throw new PulselaneError('invalid_argument', `state=${name}: expected one of ${ALERT_STATES.join(', ')}`);
}
