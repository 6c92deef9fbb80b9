/**
 * Posts alerts to one Alertmanager: https://prometheus.io/docs/alerting/latest/clients
 *
 * An Alertmanager resolves what it does not hear of, so what fires is sent again every minute (notify/), each time with an end that lies
 * minutes ahead of the time at which it is sent, and once more with its end when it is over.
 */
import type { AlertmanagerSettings } from '../../rules/receivers/alertmanager.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { alertsUrl, postedAlert } from './alertmanager-alerts.ts';
import type { ReceiverContext } from './context.ts';
import { HttpReceiver } from './http-receiver.ts';

export class AlertmanagerSender implements Sender {
  readonly #http: HttpReceiver;
  readonly #context: ReceiverContext;

  constructor({ url, ...http }: AlertmanagerSettings, context: ReceiverContext) {
    this.#http = new HttpReceiver({ ...http, url: alertsUrl(url), clock: context.clock });
    this.#context = context;
  }

  send({ alerts }: Notification, signal: AbortSignal): Promise<SendOutcome> {
    const nowUnixMs = this.#context.clock.wallMs();
    return this.#http.post(JSON.stringify(alerts.map((alert) => postedAlert(alert, nowUnixMs))), signal);
  }

  async close(): Promise<void> {
    this.#http.close();
  }
}
