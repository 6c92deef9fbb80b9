/** A notification as people read it, in plain text: each kind of receiver escapes it in its own way. */

import { shortText } from '../../../lib/foreign-text.ts';
import { printable } from '../../../lib/printable.ts';
import type { Alert, AlertSubject, AlertValue, ClosedBecause } from '../../../model/alert.ts';
import type { Notification } from '../notification.ts';
import { isoTime, isResolved, startedUnixMs } from './alert-facts.ts';
import { MAX_FIELD_LENGTH, MAX_LISTED_ALERTS, MAX_TITLE_LENGTH } from './receiver-limits.ts';

export interface Message {
  /** One line. */
  readonly title: string;
  readonly hasFiring: boolean;
  readonly alerts: readonly MessageAlert[];
  /** Alerts that are not listed. */
  readonly omitted: number;
  /** Where to look: the alert's page, or, of several, the dashboard. */
  readonly link: string | undefined;
}

export interface MessageAlert {
  readonly isResolved: boolean;
  /** One line: `page: gpu-7 is hot`. */
  readonly heading: string;
  /** Each one line. */
  readonly lines: readonly string[];
  readonly link: string | undefined;
  readonly runbook: string | undefined;
}

const CLOSED_TEXT: Readonly<Record<ClosedBecause, string>> = {
  recovered: 'it recovered',
  worker_removed: 'the worker was removed',
  no_data: 'there were no values for too long',
  rule_changed: 'the rule was changed or removed',
};

/** Values that are shown with an alert. */
const MAX_VALUES = 5;

export function messageOf(
  { alerts, openAlerts, truncatedAlerts, isTrial }: Notification,
  externalUrl: string,
): Message {
  // Those that fire first: they are what it is about.
  const sorted = [...alerts.filter((alert) => !isResolved(alert)), ...alerts.filter(isResolved)];
  const shown = sorted.slice(0, MAX_LISTED_ALERTS);
  const [only] = alerts.length === 1 && truncatedAlerts === 0 ? alerts : [];
  return {
    title: oneLine(
      `${isTrial ? 'TRIAL, not a real alert: ' : ''}${titleOf(alerts, truncatedAlerts, openAlerts)}`,
      MAX_TITLE_LENGTH,
    ),
    hasFiring: openAlerts > 0 || alerts.some((alert) => !isResolved(alert)),
    alerts: shown.map(messageAlertOf),
    omitted: alerts.length - shown.length + truncatedAlerts,
    link: safeUrl(only === undefined ? externalUrl : only.link),
  };
}

export function omittedText(omitted: number): string {
  return `… and ${omitted} more`;
}

/** Foreign text as one line of at most so many characters. */
export function oneLine(text: string, maxLength = MAX_FIELD_LENGTH): string {
  // Escapes are longer than what they escape, so the text is cut before and after.
  return shortText(printable(shortText(text.trim(), 2 * maxLength).replaceAll(/\s+/g, ' ')), maxLength);
}

/**
 * A URL in which no character ends a link of Slack, Markdown or HTML; undefined: none of HTTP, or too long.
 * @param text from the rule file, or made of PUBLIC_URL
 */
export function safeUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const href = url.href.replaceAll(/[<>|()[\]{}"'`\\^*~ ]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return href.length <= 2000 ? href : undefined;
}

export function subjectText({ kind, name }: AlertSubject): string {
  if (kind === 'cluster') return 'the cluster';
  if (kind === 'worker') return name;
  return name === '' ? 'workers without a group' : `group ${name}`;
}

function titleOf(alerts: readonly Alert[], truncated: number, open: number): string {
  const resolved = alerts.filter(isResolved).length;
  const firing = alerts.length - resolved;
  // Not listed, because they are silenced or inhibited by now, or flap.
  const unlisted = firing === 0 ? open : 0;
  const state = firing + unlisted > 0 ? 'FIRING' : 'RESOLVED';
  const rules = [...new Set(alerts.map(({ rule }) => rule))];
  const name = rules.length === 1 ? rules[0] : `${rules.length} rules`;
  const [first] = alerts;
  if (alerts.length === 1 && truncated + unlisted === 0 && first !== undefined)
    return `${state}: ${name}: ${subjectText(first.subject)}`;
  const counts = [
    ...(firing > 0 ? [`${firing} firing`] : []),
    ...(resolved > 0 ? [`${resolved} resolved`] : []),
    ...(unlisted > 0 ? [`${unlisted} still firing`] : []),
    ...(truncated > 0 ? [`${truncated} more`] : []),
  ];
  return `${state}: ${name}: ${counts.join(', ')}`;
}

function messageAlertOf(alert: Alert): MessageAlert {
  const { annotations, severity, subject, rule, values, expression, isFlapping, noDataSinceUnixMs } = alert;
  const { summary, description } = annotations;
  const known = summary ?? `${rule}: ${subjectText(subject)}`;
  const resolved = isResolved(alert);
  const parts = ((resolved ? values.now : (values.now ?? values.firing)) ?? values.firing)?.parts ?? [];
  const lines = [
    // It describes what was: the last line says that it is over, and why.
    ...(description === undefined || resolved ? [] : [description]),
    ...(parts.length === 0
      ? []
      : [
          parts
            .slice(0, MAX_VALUES)
            .map(({ text, value }) => `${text} = ${valueText(value)}`)
            .join(', '),
        ]),
    `rule: ${expression}`,
    ...(noDataSinceUnixMs !== null && !resolved ? [`no values since ${isoTime(noDataSinceUnixMs)}`] : []),
    ...(isFlapping ? ['flapping: nothing more is sent until it is quiet'] : []),
    resolved ? resolvedText(alert) : `since ${isoTime(startedUnixMs(alert))}`,
  ];
  return {
    isResolved: resolved,
    heading: oneLine(`${resolved ? 'resolved' : severity}: ${known}`),
    lines: lines.map((line) => oneLine(line)),
    link: safeUrl(alert.link),
    runbook: alert.runbookUrl === null ? undefined : safeUrl(alert.runbookUrl),
  };
}

function resolvedText(alert: Alert): string {
  const { resolvedUnixMs, closedBecause } = alert;
  const at = resolvedUnixMs === null ? '' : ` until ${isoTime(resolvedUnixMs)}`;
  return `${closedBecause === null ? 'over' : CLOSED_TEXT[closedBecause]}; it fired since ${isoTime(startedUnixMs(alert))}${at}`;
}

function valueText(value: AlertValue): string {
  if (value === null) return 'no value';
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value);
}
