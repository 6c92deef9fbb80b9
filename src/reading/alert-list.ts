/** Which alerts are asked for, and in which order they are listed. */
import type { Alert, AlertState } from '../model/alert.ts';
import { labelTest } from '../model/label-matchers.ts';
import type { LabelMatcher } from '../model/silence.ts';

/** An alert must pass all; what is undefined asks for nothing. */
export interface AlertCriteria {
  readonly states?: readonly AlertState[] | undefined;
  readonly rule?: string | undefined;
  readonly severities?: readonly string[] | undefined;
  /** Alerts about the group, and those of workers with this label. Empty: without a group. */
  readonly group?: string | undefined;
  readonly worker?: string | undefined;
  readonly matchers?: readonly LabelMatcher[] | undefined;
}

export function alertTest(criteria: AlertCriteria): (alert: Alert) => boolean {
  const { states, rule, severities, group, worker, matchers = [] } = criteria;
  const hasLabels = labelTest(matchers);
  return (alert) =>
    (states === undefined || states.includes(alert.state)) &&
    (rule === undefined || alert.rule === rule) &&
    (severities === undefined || severities.includes(alert.severity)) &&
    (group === undefined || groupOfAlert(alert) === group) &&
    (worker === undefined || (alert.subject.kind === 'worker' && alert.subject.name === worker)) &&
    hasLabels(alert.labels);
}

/** Undefined: it is about the cluster. */
function groupOfAlert({ subject, labels }: Alert): string | undefined {
  if (subject.kind === 'group') return subject.name;
  return subject.kind === 'cluster' ? undefined : (labels.group ?? '');
}

/** Where an alert stands in lists; unique. */
export type AlertPosition = readonly [rank: number, sinceUnixMs: number, id: string];

const RANKS: Readonly<Record<AlertState, number>> = { firing: 0, pending: 1, resolved: 2 };

export function positionOf({ state, pendingSinceUnixMs, firingSinceUnixMs, resolvedUnixMs, id }: Alert): AlertPosition {
  return [RANKS[state], resolvedUnixMs ?? firingSinceUnixMs ?? pendingSinceUnixMs, id];
}

/** Firing ones first, then pending ones, then resolved ones; of each the newest first. */
export function comparePositions(a: AlertPosition, b: AlertPosition): number {
  return a[0] - b[0] || b[1] - a[1] || (a[2] < b[2] ? -1 : Number(a[2] > b[2]));
}

/** Alerts that pass, in order. */
export function listAlerts(alerts: Iterable<Alert>, criteria: AlertCriteria): Alert[] {
  const passes = alertTest(criteria);
  const listed: { alert: Alert; position: AlertPosition }[] = [];
  for (const alert of alerts) if (passes(alert)) listed.push({ alert, position: positionOf(alert) });
  return listed.sort((a, b) => comparePositions(a.position, b.position)).map(({ alert }) => alert);
}
