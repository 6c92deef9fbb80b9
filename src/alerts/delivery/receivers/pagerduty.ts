/**
 * PagerDuty Events API v2: https://developer.pagerduty.com/docs/send-alert-event
 *
 * One incident per group of alerts, as with Alertmanager: a storm is one page. It is triggered while one of them fires, and
 * resolved when none does that was told: an alert that is silenced or inhibited by now, or flaps, keeps it open.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Alert } from '../../../model/alert.ts';
import type { PAGERDUTY_SEVERITIES, PagerdutySettings } from '../../rules/receivers/pagerduty.ts';
import { urgencyOf } from '../../rules/severities.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { annotationsOf, isoTime, isResolved, labelsOf, startedUnixMs } from './alert-facts.ts';
import type { ReceiverContext } from './context.ts';
import { HttpReceiver } from './http-receiver.ts';
import { messageOf, oneLine, safeUrl } from './message.ts';
import { MAX_PAGERDUTY_BYTES, MAX_PAGERDUTY_SUMMARY } from './receiver-limits.ts';
import { mostUrgent } from './severities.ts';
import { fittingBody } from './webhook-payload.ts';

/** Links of an event that people look at. */
const MAX_LINKS = 10;

export class PagerdutySender implements Sender {
  readonly #http: HttpReceiver;
  readonly #settings: PagerdutySettings;
  readonly #context: ReceiverContext;

  constructor(settings: PagerdutySettings, context: ReceiverContext) {
    const { url, ca, routing_key } = settings;
    this.#http = new HttpReceiver({ url, ca, clock: context.clock, secrets: [routing_key] });
    this.#settings = settings;
    this.#context = context;
  }

  async send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    const { externalUrl } = this.#context;
    // The incident goes on: there is nothing to say that PagerDuty could show.
    if (notification.alerts.every(isResolved) && notification.openAlerts > 0) return { outcome: 'sent' };
    const body = fittingBody(notification, MAX_PAGERDUTY_BYTES, (part) =>
      pagerdutyEvent(part, this.#settings, externalUrl, incidentKey(notification)),
    );
    return this.#http.post(body, signal);
  }

  async close(): Promise<void> {
    this.#http.close();
  }
}

/** The same for all notifications of a group; at most 255 characters are taken. */
export function incidentKey({ receiver, targetKey, groupKey, isTrial }: Notification): string {
  const parts = JSON.stringify([receiver, targetKey, groupKey, isTrial]);
  return `pulselane-${createHash('sha256').update(parts).digest('hex').slice(0, 40)}`;
}

export function pagerdutyEvent(
  notification: Notification,
  { routing_key, severities = {} }: Pick<PagerdutySettings, 'routing_key' | 'severities'>,
  externalUrl: string,
  dedupKey: string,
) {
  const { alerts, truncatedAlerts, groupLabels } = notification;
  const isOver = alerts.every(isResolved);
  const common = { routing_key, dedup_key: dedupKey };
  // Only these are needed, and an incident that was never triggered is nothing to PagerDuty.
  if (isOver) return { ...common, event_action: 'resolve' };
  const { title } = messageOf(notification, externalUrl);
  const most = mostUrgent(alerts) as Alert;
  const severity: (typeof PAGERDUTY_SEVERITIES)[number] = severities[most.severity] ?? urgencyOf(most.severity);
  const summary = most.annotations.summary;
  const firing = alerts.filter((alert) => !isResolved(alert));
  return {
    ...common,
    event_action: 'trigger',
    client: 'Pulselane',
    ...(safeUrl(externalUrl) === undefined ? {} : { client_url: externalUrl }),
    links: linksOf(firing),
    payload: {
      summary: oneLine(
        firing.length === 1 && summary !== undefined ? `${title}: ${summary}` : title,
        MAX_PAGERDUTY_SUMMARY,
      ),
      // PagerDuty requires one.
      source: oneLine(most.subject.name === '' ? hostname() : most.subject.name, 255),
      severity,
      timestamp: isoTime(Math.min(...firing.map(startedUnixMs))),
      class: oneLine(most.rule, 255),
      ...(groupLabels.group === undefined ? {} : { group: oneLine(groupLabels.group, 255) }),
      custom_details: {
        firing: firing.map(detailsOf),
        resolved: alerts.filter(isResolved).map(detailsOf),
        ...(truncatedAlerts > 0 ? { truncated_alerts: truncatedAlerts } : {}),
      },
    },
  };
}

function detailsOf(alert: Alert) {
  const parts = (alert.values.now ?? alert.values.firing)?.parts ?? [];
  return {
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    expression: oneLine(alert.expression, 2000),
    values: parts.map(({ text, value }) => ({
      text: oneLine(text),
      value: typeof value === 'string' ? oneLine(value) : value,
    })),
    since: isoTime(startedUnixMs(alert)),
    link: alert.link,
  };
}

function linksOf(alerts: readonly Alert[]) {
  const found = new Map<string, string>();
  for (const { link, runbookUrl, subject, rule } of alerts) {
    if (found.size >= MAX_LINKS) break;
    const runbook = runbookUrl === null ? undefined : safeUrl(runbookUrl);
    if (runbook !== undefined) found.set(runbook, `Runbook of ${oneLine(rule, 100)}`);
    const page = safeUrl(link);
    if (page !== undefined) found.set(page, oneLine(subject.name === '' ? rule : subject.name, 100));
  }
  return [...found].map(([href, text]) => ({ href, text }));
}
