/**
 * Alertmanager's webhook payload, version 4, so that what was written for it works:
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
import type { Alert } from '../../../model/alert.ts';
import type { Notification } from '../notification.ts';
import { annotationsOf, commonOf, isoTime, isResolved, labelsOf, startedUnixMs, type Texts } from './alert-facts.ts';
import { MAX_PAYLOAD_BYTES } from './receiver-limits.ts';

export interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

export interface WebhookPayload {
  readonly version: '4';
  readonly groupKey: string;
  readonly truncatedAlerts: number;
  readonly status: 'firing' | 'resolved';
  readonly receiver: string;
  readonly groupLabels: Texts;
  readonly commonLabels: Texts;
  readonly commonAnnotations: Texts;
  readonly externalURL: string;
  readonly alerts: readonly WebhookAlert[];
}

/** Go's zero time: Alertmanager's for an alert that has not ended. */
const NO_END = '0001-01-01T00:00:00Z';

export function webhookPayload(notification: Notification, externalUrl: string): WebhookPayload {
  const { alerts, groupKey, groupLabels, receiver, openAlerts, truncatedAlerts } = notification;
  const all = alerts.map(webhookAlert);
  return {
    version: '4',
    groupKey,
    truncatedAlerts,
    status: openAlerts > 0 || alerts.some((alert) => !isResolved(alert)) ? 'firing' : 'resolved',
    receiver,
    groupLabels,
    commonLabels: commonOf(all.map(({ labels }) => labels)),
    commonAnnotations: commonOf(all.map(({ annotations }) => annotations)),
    externalURL: externalUrl,
    alerts: all,
  };
}

/** As JSON, with as many alerts as fit. */
export function webhookBody(notification: Notification, externalUrl: string, maxBytes = MAX_PAYLOAD_BYTES): string {
  return fittingBody(notification, maxBytes, (part) => webhookPayload(part, externalUrl));
}

/** Leaves alerts out, and counts them, until the body fits. */
export function fittingBody(
  notification: Notification,
  maxBytes: number,
  content: (part: Notification) => unknown,
): string {
  const { alerts, truncatedAlerts } = notification;
  for (let count = alerts.length; ; count = Math.floor(count / 2)) {
    const kept = alerts.slice(0, count);
    const body = JSON.stringify(
      content({ ...notification, alerts: kept, truncatedAlerts: truncatedAlerts + alerts.length - count }),
    );
    if (count <= 1 || Buffer.byteLength(body) <= maxBytes) return body;
  }
}

function webhookAlert(alert: Alert): WebhookAlert {
  const { id, link, resolvedUnixMs } = alert;
  return {
    status: isResolved(alert) ? 'resolved' : 'firing',
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    startsAt: isoTime(startedUnixMs(alert)),
    endsAt: isResolved(alert) && resolvedUnixMs !== null ? isoTime(resolvedUnixMs) : NO_END,
    generatorURL: link,
    fingerprint: id,
  };
}
