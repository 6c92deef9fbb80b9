/** Alerts and notifications for tests of receivers. */
import type { Notification } from '../../../src/alerts/delivery/notification.ts';
import type { Alert } from '../../../src/model/alert.ts';

export const EXTERNAL_URL = 'https://pulselane.example.org';
/** 2026-11-27T10:00:00Z */
export const AT_UNIX_MS = Date.UTC(2026, 10, 27, 10);

export function someAlert(change: Partial<Alert> = {}): Alert {
  const worker = change.subject?.name ?? 'gpu-7';
  const atUnixMs = AT_UNIX_MS;
  const values = (value: number) => ({ atUnixMs, parts: [{ text: 'cpu_usage', value }] });
  return {
    id: '0123456789abcdef',
    rule: 'Hot',
    subject: { kind: 'worker', name: worker },
    state: 'firing',
    severity: 'page',
    labels: { alertname: 'Hot', severity: 'page', worker },
    annotations: { summary: `${worker} is hot` },
    runbookUrl: 'https://wiki.example.org/hot?a=1&b=2',
    expression: 'cpu_usage > 90.0',
    pendingSinceUnixMs: atUnixMs - 60_000,
    firingSinceUnixMs: atUnixMs - 30_000,
    resolvedUnixMs: null,
    closedBecause: null,
    noDataSinceUnixMs: null,
    values: { pending: values(93.5), firing: values(95.25), now: values(97.123456789) },
    transitions: [],
    isFlapping: false,
    silencedBy: [],
    inhibitedBy: [],
    mutedBy: [],
    link: `${EXTERNAL_URL}/#/workers/${encodeURIComponent(worker)}?from=1&to=2&metric=cpu_usage`,
    ...change,
  };
}

export function resolvedAlert(change: Partial<Alert> = {}): Alert {
  return someAlert({ state: 'resolved', resolvedUnixMs: AT_UNIX_MS, closedBecause: 'recovered', ...change });
}

export function someNotification(
  alerts: readonly Alert[] = [someAlert()],
  change: Partial<Notification> = {},
): Notification {
  return {
    id: 7,
    receiver: 'pager',
    target: 0,
    targetKey: 'webhook#0',
    groupKey: '{}:{alertname="Hot"}',
    groupLabels: { alertname: 'Hot' },
    alerts,
    openAlerts: alerts.filter(({ state }) => state === 'firing').length,
    truncatedAlerts: 0,
    dedupKey: 'pager/0/7',
    isTrial: false,
    createdUnixMs: AT_UNIX_MS,
    ...change,
  };
}
