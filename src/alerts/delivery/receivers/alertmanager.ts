/**
 * Sends a notification to each Alertmanager of a receiver: for trials. What fires is kept in step by alertmanager-loop.ts instead,
 * because an Alertmanager groups, waits and repeats itself.
 */
import type { AlertmanagerSettings } from '../../rules/receivers/alertmanager.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { alertsUrl, postedAlert } from './alertmanager-alerts.ts';
import type { ReceiverContext } from './context.ts';
import { HttpReceiver } from './http-receiver.ts';
import { Partly } from './partly.ts';
import { MAX_BATCH_ALERTS } from './receiver-limits.ts';

export class AlertmanagerSender implements Sender {
  readonly #peers: ReadonlyMap<string, HttpReceiver>;
  readonly #context: ReceiverContext;
  readonly #done = new Partly();

  constructor(settings: AlertmanagerSettings, context: ReceiverContext) {
    this.#peers = alertmanagersOf(settings, context);
    this.#context = context;
  }

  async send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    const done = this.#done.of(notification.dedupKey);
    const left = [...this.#peers].filter(([url]) => !done.has(url));
    const outcomes = await Promise.all(
      left.map(async ([url, http]) => {
        const outcome = await this.#sendTo(http, notification, signal);
        if (outcome.outcome !== 'retry') done.add(url);
        return outcome;
      }),
    );
    const failed = outcomes.filter((outcome) => outcome.outcome !== 'sent');
    const detail = failed.map((outcome) => outcome.detail).join('; ');
    const again = failed.filter((outcome) => outcome.outcome === 'retry');
    if (again.length > 0) {
      const waits = again.flatMap(({ afterMs }) => (afterMs === undefined ? [] : [afterMs]));
      return { outcome: 'retry', detail, ...(waits.length === 0 ? {} : { afterMs: Math.min(...waits) }) };
    }
    this.#done.forget(notification.dedupKey);
    return failed.length === 0 ? { outcome: 'sent' } : { outcome: 'refused', detail };
  }

  async close(): Promise<void> {
    for (const http of this.#peers.values()) http.close();
  }

  async #sendTo(http: HttpReceiver, { alerts }: Notification, signal: AbortSignal): Promise<SendOutcome> {
    for (let at = 0; at < alerts.length; at += MAX_BATCH_ALERTS) {
      const batch = alerts.slice(at, at + MAX_BATCH_ALERTS);
      const nowUnixMs = this.#context.clock.wallMs();
      const outcome = await http.post(JSON.stringify(batch.map((alert) => postedAlert(alert, nowUnixMs))), signal);
      if (outcome.outcome !== 'sent') return outcome;
    }
    return { outcome: 'sent' };
  }
}

/** By URL. */
export function alertmanagersOf(
  { urls, ...http }: AlertmanagerSettings,
  { clock }: Pick<ReceiverContext, 'clock'>,
): ReadonlyMap<string, HttpReceiver> {
  return new Map(urls.map((base) => [base, new HttpReceiver({ ...http, url: alertsUrl(base), clock })]));
}
