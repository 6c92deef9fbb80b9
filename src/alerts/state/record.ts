/** One alert as it is kept: what decides, and what people see of it. Plain data: it is stored as JSON. */
import { createHash } from 'node:crypto';
import type {
  Alert,
  AlertState,
  AlertSubject,
  AlertTransition,
  AlertValues,
  ClosedBecause,
} from '../../model/alert.ts';
import type { Rule } from '../rules/rule.ts';
import { validNames } from './label-names.ts';
import type { AlertCore } from './machine.ts';
import { MAX_TRANSITIONS } from './state-limits.ts';

export interface AlertRecord
  extends Omit<Alert, 'state' | 'isFlapping' | 'silencedBy' | 'inhibitedBy' | 'mutedBy' | 'link'> {
  /** Of the rule that it belongs to. */
  readonly digest: string;
  readonly core: AlertCore;
  /** Only while it is pending: what it was when it was last resolved. It is shown again if it does not come to fire. */
  readonly before?: Omit<AlertRecord, 'before' | 'core' | 'transitions'>;
}

/** The two clocks: the first for people, the second for decisions. */
export interface Now {
  readonly unixMs: number;
  readonly attentiveMs: number;
}

/** What a record takes of an evaluation. */
export interface Readings {
  values(): AlertValues;
  annotations(): Readonly<Record<string, string>>;
}

/** The same for a rule and its subject in every master. */
export function alertId(rule: string, { kind, name }: AlertSubject): string {
  return createHash('sha256')
    .update(JSON.stringify([rule, kind, name]))
    .digest('hex')
    .slice(0, 16);
}

export function newRecord(
  rule: Rule,
  subject: AlertSubject,
  core: AlertCore,
  foundLabels: Readonly<Record<string, string>>,
  now: Now,
): AlertRecord {
  return {
    id: alertId(rule.name, subject),
    rule: rule.name,
    digest: rule.digest,
    subject,
    core,
    severity: rule.severity,
    labels: labelsOf(rule, subject, foundLabels),
    annotations: {},
    runbookUrl: rule.runbookUrl ?? null,
    expression: rule.when.text,
    pendingSinceUnixMs: now.unixMs,
    firingSinceUnixMs: null,
    resolvedUnixMs: null,
    closedBecause: null,
    noDataSinceUnixMs: null,
    values: { pending: null, firing: null, now: null },
    transitions: [],
  };
}

/** A record of a resolved alert that begins anew, before the step that begins it. */
export function begunAnew(resolved: AlertRecord, next: AlertRecord): AlertRecord {
  const { before: _, core: __, transitions, ...before } = resolved;
  return { ...next, transitions, before };
}

/** The record after a step that changed its state; `from` is what it was before. */
export function moved(
  { before, ...record }: AlertRecord,
  from: AlertState | 'inactive',
  core: AlertCore,
  closedBecause: ClosedBecause | null,
  readings: Readings | undefined,
  now: Now,
): AlertRecord {
  const { state: to } = core;
  const next = {
    ...record,
    core,
    noDataSinceUnixMs: null,
    transitions: withTransition(record.transitions, { atUnixMs: now.unixMs, from, to, closedBecause }),
  };
  switch (to) {
    case 'pending': {
      const values = readings?.values() ?? null;
      // What it was before is kept with its transitions.
      return {
        ...next,
        ...(before && { before }),
        pendingSinceUnixMs: now.unixMs,
        firingSinceUnixMs: null,
        resolvedUnixMs: null,
        closedBecause: null,
        values: { pending: values, firing: null, now: values },
      };
    }
    case 'firing': {
      const values = readings?.values() ?? null;
      const isPending = from === 'pending';
      return {
        ...next,
        pendingSinceUnixMs: isPending ? record.pendingSinceUnixMs : now.unixMs,
        firingSinceUnixMs: now.unixMs,
        resolvedUnixMs: null,
        closedBecause: null,
        annotations: readings?.annotations() ?? record.annotations,
        values: { pending: isPending ? record.values.pending : values, firing: values, now: values },
      };
    }
    case 'resolved': {
      // It did not come to fire: what people see of its last end is true still.
      if (from !== 'firing') return { ...next, ...before };
      // The values with which it ended, as far as there are any.
      const values = closedBecause === 'recovered' ? (readings?.values() ?? record.values.now) : record.values.now;
      return {
        ...next,
        resolvedUnixMs: now.unixMs,
        closedBecause,
        noDataSinceUnixMs: closedBecause === 'no_data' ? record.noDataSinceUnixMs : null,
        values: { ...record.values, now: values },
      };
    }
    default:
      throw to satisfies never;
  }
}

export function withTransition(
  transitions: readonly AlertTransition[],
  transition: AlertTransition,
): readonly AlertTransition[] {
  return [...transitions, transition].slice(-MAX_TRANSITIONS);
}

/** The rule's own labels win over those of the subject, which win over nothing that identifies the alert. */
function labelsOf(
  rule: Rule,
  { kind, name }: AlertSubject,
  found: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const labels: Record<string, string> = { ...validNames(withText(found)), ...validNames(withText(rule.labels)) };
  if (kind !== 'cluster' && name !== '') labels[kind] = name;
  return { ...labels, alertname: rule.name, severity: rule.severity };
}

/** A label with an empty value is one that is missing, as in Prometheus. */
function withText(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}
