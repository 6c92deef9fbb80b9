/** Posts Alertmanager's payload to any URL. */
import { createHmac } from 'node:crypto';
import type { WebhookSettings } from '../../rules/receivers/webhook.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import type { ReceiverContext } from './context.ts';
import { HttpReceiver } from './http-receiver.ts';
import { webhookBody } from './webhook-payload.ts';

export class WebhookSender implements Sender {
  readonly #http: HttpReceiver;
  readonly #secret: string | undefined;
  readonly #context: ReceiverContext;

  constructor({ secret, ...settings }: WebhookSettings, context: ReceiverContext) {
    this.#http = new HttpReceiver({ ...settings, clock: context.clock, secrets: secret === undefined ? [] : [secret] });
    this.#secret = secret;
    this.#context = context;
  }

  send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    const body = webhookBody(notification, this.#context.externalUrl);
    return this.#http.post(body, signal, { 'Idempotency-Key': keyOf(notification), ...this.#signature(body) });
  }

  async close(): Promise<void> {
    this.#http.close();
  }

  /** Over the time, too, so that nobody can repeat an old request: HMAC-SHA256 of `<time>.<body>`. */
  #signature(body: string): Readonly<Record<string, string>> {
    if (this.#secret === undefined) return {};
    const time = String(Math.floor(this.#context.clock.wallMs() / 1000));
    const digest = createHmac('sha256', this.#secret).update(`${time}.${body}`).digest('hex');
    return { 'X-Pulselane-Timestamp': time, 'X-Pulselane-Signature-256': `sha256=${digest}` };
  }
}

/** A header takes no other characters than these. */
function keyOf({ dedupKey }: Notification): string {
  return encodeURIComponent(dedupKey.toWellFormed());
}
