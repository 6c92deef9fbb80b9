/**
 * The link of an alert: the dashboard's page of its subject, at the time of the alert.
 *
 * | subject | path                        |
 * |---------|-----------------------------|
 * | worker  | `#/workers/{encoded id}`    |
 * | group   | `#/groups/{encoded name}`   |
 * | cluster | `#/cluster`                 |
 *
 * The name is percent-encoded, all but unreserved characters of RFC 3986, so that the link survives in Markdown, too; it is empty
 * for workers without a group. The parameters after `?` are `from` and `to` (Unix ms), and `metric` if there is one.
 */
import type { AlertSubject } from '../model/alert.ts';

/** So much is shown before and after the alert: what led to it, and what followed. */
export const LINK_MARGIN_MS = 30 * 60_000;

export interface LinkedAlert {
  readonly subject: AlertSubject;
  readonly pendingSinceUnixMs: number;
  readonly firingSinceUnixMs: number | null;
  readonly resolvedUnixMs: number | null;
}

/**
 * The same for the same state of the alert: it does not change with time.
 * @param base PUBLIC_URL; empty: nobody can open the dashboard, and the link is empty
 * @param metric the metric or field that the rule looks at
 */
export function alertLink(base: string, alert: LinkedAlert, metric?: string): string {
  if (base === '') return '';
  const { subject, pendingSinceUnixMs, firingSinceUnixMs, resolvedUnixMs } = alert;
  const from = Math.max(0, Math.round(pendingSinceUnixMs - LINK_MARGIN_MS));
  const to = Math.round((resolvedUnixMs ?? firingSinceUnixMs ?? pendingSinceUnixMs) + LINK_MARGIN_MS);
  const query = [`from=${from}`, `to=${to}`, ...(metric === undefined ? [] : [`metric=${encode(metric)}`])];
  return `${base}/#/${pathOf(subject)}?${query.join('&')}`;
}

/**
 * Where people read what to do about an alert.
 * @param base as for {@link alertLink}
 * @param runbook of the rule; a shipped rule has a path of the master
 */
export function runbookLink(base: string, runbook: string | null): string | null {
  if (runbook === null || !runbook.startsWith('/')) return runbook;
  return base === '' ? null : base + runbook;
}

function pathOf({ kind, name }: AlertSubject): string {
  switch (kind) {
    case 'worker':
      return `workers/${encode(name)}`;
    case 'group':
      return `groups/${encode(name)}`;
    case 'cluster':
      return 'cluster';
    default:
      return kind satisfies never;
  }
}

/** encodeURIComponent leaves five characters that other formats give a meaning, and throws for half a surrogate pair. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
