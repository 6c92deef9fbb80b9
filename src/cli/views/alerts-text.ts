/** Alerts as people read them: a list, and one with why it fires. */

import type { AlertValue } from '../../model/alert.ts';
import type { AlertJson, AlertValuesJson, SilenceJson } from '../../model/alert-json.ts';
import { formatMatcher } from '../../model/label-matchers.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import type { Meaning } from '../text/paint.ts';
import { type Cell, type Column, facts, prose, section, table } from '../text/table.ts';
import { age, count, countOf, instant, NOTHING, number } from '../text/units.ts';
import type { AlertPage, AlertsProblemItem } from './alert-items.ts';

/** Where room is short, the lowest rank goes first; what fires, of whom and why stay. */
const COLUMNS: readonly Column[] = [
  { title: 'STATE' },
  { title: 'SEVERITY', maxWidth: 12, rank: 3 },
  { title: 'ALERT', maxWidth: 40, shortensTo: 12 },
  { title: 'SUBJECT', maxWidth: 40, shortensTo: 10 },
  { title: 'SINCE', align: 'right', rank: 1 },
  // `alerts <id>` needs it.
  { title: 'ID', rank: 2 },
  { title: 'WHY', wrapsTo: 20 },
];

/** A list of more is not read. */
const MAX_DETAILED = 20;
/** Parts of an expression that are shown in a list. */
const MAX_PARTS = 3;

export interface ShownAlerts {
  /** By the clock that the alerts' times are of. */
  readonly nowMs: number;
  /** Not all are asked for. */
  readonly isFiltered: boolean;
}

export function alertsText(
  { alerts, total, evaluatedAt, problems }: Omit<AlertPage, 'nextCursor' | 'evaluationIntervalMs'>,
  { nowMs, isFiltered }: ShownAlerts,
  page = ENDLESS_PAGE,
): string {
  const trouble = troubleText(evaluatedAt, problems, page);
  if (alerts.length === 0)
    return prose(isFiltered ? 'No such alert.' : 'No alert fires or is pending.', page) + trouble;
  const list = table(
    COLUMNS,
    alerts.map((alert) => row(alert, nowMs)),
    page,
  );
  const more = total > alerts.length ? ` of ${count(total)}; --limit shows more` : '';
  return `${list}\n\n${prose(`${countOf(alerts.length, 'alert')}${more}`, page)}${trouble}`;
}

/** What makes a list of alerts untrustworthy; empty: nothing. */
function troubleText(evaluatedAt: string | null, problems: readonly AlertsProblemItem[], page = ENDLESS_PAGE): string {
  const lines = [
    ...(evaluatedAt === null ? ['The rules were not evaluated yet.'] : []),
    ...problems.map(({ detail }) => `Alerts are degraded: ${detail}`),
  ];
  return lines.map((line) => `\n\n${prose(line, page)}`).join('');
}

function row(alert: AlertJson, nowMs: number): Cell[] {
  return [
    stateCell(alert),
    alert.severity,
    alert.alert,
    subjectText(alert),
    age(Math.max(0, nowMs - sinceOf(alert))),
    alert.id,
    whyText(alert, nowMs),
  ];
}

function stateCell({ state, silenced_by, inhibited_by, muted_by }: AlertJson): Cell {
  const isQuiet = silenced_by.length + inhibited_by.length + muted_by.length > 0;
  const meanings: Readonly<Record<typeof state, Meaning>> = { firing: 'bad', pending: 'warning', resolved: 'good' };
  return { text: state, meaning: isQuiet ? 'old' : meanings[state] };
}

/** `worker-1`, `group rack-7`, `workers without a group`, `cluster` */
export function subjectText({ subject: { kind, name } }: Pick<AlertJson, 'subject'>): string {
  if (kind === 'worker') return name;
  if (kind === 'cluster') return 'cluster';
  return name === '' ? 'workers without a group' : `group ${name}`;
}

/** Since when it is in its state. */
export function sinceOf({ pending_since, firing_since, resolved_at }: AlertJson): number {
  return Date.parse(resolved_at ?? firing_since ?? pending_since);
}

/** In a few words: the values, and why nobody is told. */
export function whyText(alert: AlertJson, nowMs: number): string {
  const { why, closed_because, no_data_since, flapping } = alert;
  const parts = (why.now ?? why.firing ?? why.pending)?.parts ?? [];
  const shown = parts.slice(0, MAX_PARTS).map(({ text, value }) => `${text} = ${valueText(value)}`);
  const noData = no_data_since === null ? [] : [`no data for ${age(Math.max(0, nowMs - Date.parse(no_data_since)))}`];
  return [
    ...(closed_because === null ? [] : [CLOSED_WORDS[closed_because]]),
    ...(shown.length === 0 ? [why.expression] : shown),
    ...(parts.length > MAX_PARTS ? ['…'] : []),
    ...noData,
    ...(flapping ? ['flapping'] : []),
    ...quietWords(alert),
  ].join(', ');
}

function quietWords({ silenced_by, inhibited_by, muted_by }: AlertJson): string[] {
  return [
    ...(silenced_by.length > 0 ? ['silenced'] : []),
    ...(inhibited_by.length > 0 ? ['inhibited'] : []),
    ...muted_by.map((name) => `muted by ${name}`),
  ];
}

const CLOSED_WORDS: Readonly<Record<NonNullable<AlertJson['closed_because']>, string>> = {
  recovered: 'recovered',
  worker_removed: 'the worker was removed',
  no_data: 'no data for long',
  rule_changed: 'the rule was changed',
};

function valueText(value: AlertValue): string {
  if (value === null) return 'no data';
  return typeof value === 'number' ? number(value) : String(value);
}

/** Each with everything that is known of it. */
export function alertDetails(alerts: readonly AlertJson[], nowMs: number, page = ENDLESS_PAGE): string {
  const shown = alerts.slice(0, MAX_DETAILED).map((alert) => alertDetail(alert, nowMs, page));
  const left = alerts.length - MAX_DETAILED;
  return [...shown, ...(left > 0 ? [prose(`and ${countOf(left, 'more alert')}`, page)] : [])].join('\n\n\n');
}

function alertDetail(alert: AlertJson, nowMs: number, page = ENDLESS_PAGE): string {
  const { why, annotations, labels } = alert;
  const since = sinceOf(alert);
  const entries: [string, Cell][] = [
    ['alert', alert.alert],
    ['state', stateText(alert, since, nowMs)],
    ['severity', alert.severity],
    ['subject', subjectText(alert)],
    ...Object.entries(annotations),
    ...(alert.runbook_url === null ? [] : ([['runbook', alert.runbook_url]] as [string, Cell][])),
    ['condition', why.expression],
    ...(alert.no_data_since === null
      ? []
      : ([['no data', `since ${instant(Date.parse(alert.no_data_since))}; it stays as it was`]] as [string, Cell][])),
    ...(alert.flapping
      ? ([['flapping', 'it fires and resolves again and again; receivers are told once']] as [string, Cell][])
      : []),
    ...(alert.silenced_by.length === 0 ? [] : ([['silenced by', alert.silenced_by.join(', ')]] as [string, Cell][])),
    ...(alert.inhibited_by.length === 0 ? [] : ([['inhibited by', alert.inhibited_by.join(', ')]] as [string, Cell][])),
    ...(alert.muted_by.length === 0 ? [] : ([['muted by', alert.muted_by.join(', ')]] as [string, Cell][])),
    [
      'labels',
      Object.entries(labels)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(' '),
    ],
    ['id', alert.id],
    ...(alert.link === '' ? [] : ([['link', alert.link]] as [string, Cell][])),
  ];
  return facts(entries, page) + valuesSection(alert, page) + transitionsSection(alert, page);
}

function stateText({ state, closed_because }: AlertJson, since: number, nowMs: number): string {
  const because = closed_because === null ? '' : `, ${CLOSED_WORDS[closed_because]}`;
  return `${state} for ${age(Math.max(0, nowMs - since))}, since ${instant(since)}${because}`;
}

/** What the parts of the condition were: the words of the alert. */
function valuesSection({ why: { pending, firing, now } }: AlertJson, page = ENDLESS_PAGE): string {
  const texts = Array.from(new Set([pending, firing, now].flatMap((at) => at?.parts.map(({ text }) => text) ?? [])));
  if (texts.length === 0) return '';
  const columns: Column[] = [
    { title: 'VALUE', maxWidth: 60, shortensTo: 16 },
    { title: 'PENDING', align: 'right', maxWidth: 24 },
    { title: 'FIRING', align: 'right', maxWidth: 24 },
    { title: 'NOW', align: 'right', maxWidth: 24 },
  ];
  const rows = texts.map((text) => [text, ...[pending, firing, now].map((at) => partText(at, text))]);
  return section('Why', (inner) => table(columns, rows, inner), page);
}

function partText(values: AlertValuesJson | null, text: string): string {
  const part = values?.parts.find((one) => one.text === text);
  return part === undefined ? NOTHING : valueText(part.value);
}

function transitionsSection({ why: { transitions } }: AlertJson, page = ENDLESS_PAGE): string {
  if (transitions.length === 0) return '';
  const lines = transitions.map(({ at, from, to, closed_because }): [string, string] => {
    const because = closed_because === null ? '' : ` (${CLOSED_WORDS[closed_because]})`;
    return [instant(Date.parse(at)), `${from} → ${to}${because}`];
  });
  return section('What happened', (inner) => facts(lines, inner), page);
}

const SILENCE_COLUMNS: readonly Column[] = [
  { title: 'STATE' },
  { title: 'ID' },
  { title: 'ENDS' },
  { title: 'BY', maxWidth: 20, rank: 1 },
  { title: 'MATCHERS', maxWidth: 60, shortensTo: 16 },
  { title: 'COMMENT', wrapsTo: 16 },
];

const SILENCE_MEANINGS: Readonly<Record<SilenceJson['status']['state'], Meaning>> = {
  active: 'good',
  pending: 'warning',
  expired: 'old',
};

export function silencesText(silences: readonly SilenceJson[], page = ENDLESS_PAGE): string {
  if (silences.length === 0) return prose('There is no silence.', page);
  return table(
    SILENCE_COLUMNS,
    silences.map(({ status: { state }, id, matchers, endsAt, createdBy, comment }) => [
      { text: state, meaning: SILENCE_MEANINGS[state] },
      id,
      instant(Date.parse(endsAt)),
      createdBy,
      matchers.map(formatMatcher).join(' '),
      comment,
    ]),
    page,
  );
}
