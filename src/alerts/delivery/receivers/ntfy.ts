/** ntfy, by JSON: https://docs.ntfy.sh/publish/#publish-as-json */
import type { NtfySettings } from '../../rules/receivers/ntfy.ts';
import { type Urgency, urgencyOf } from '../../rules/severities.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { isResolved } from './alert-facts.ts';
import type { ReceiverContext } from './context.ts';
import { blocksWithin } from './cut.ts';
import { HttpReceiver } from './http-receiver.ts';
import { messageOf, omittedText } from './message.ts';
import { MAX_NTFY_MESSAGE_BYTES } from './receiver-limits.ts';
import { mostUrgent } from './severities.ts';

/** Of ntfy: 5 rings until it is answered, 3 is the default, 2 makes no sound. */
const PRIORITIES: Readonly<Record<Urgency, number>> = { critical: 5, error: 4, warning: 3, info: 2 };
/** Nobody is woken by what is over. */
const RESOLVED_PRIORITY = 2;
/** Shown as emojis. */
const TAGS: Readonly<Record<Urgency | 'resolved', string>> = {
  critical: 'rotating_light',
  error: 'x',
  warning: 'warning',
  info: 'information_source',
  resolved: 'white_check_mark',
};

export class NtfySender implements Sender {
  readonly #http: HttpReceiver;
  readonly #settings: NtfySettings;
  readonly #context: ReceiverContext;

  constructor(settings: NtfySettings, context: ReceiverContext) {
    // Without accounts, whoever knows the topic may read and write.
    this.#http = new HttpReceiver({ ...settings, clock: context.clock, secrets: [settings.topic] });
    this.#settings = settings;
    this.#context = context;
  }

  send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    return this.#http.post(JSON.stringify(ntfyBody(notification, this.#settings, this.#context.externalUrl)), signal);
  }

  async close(): Promise<void> {
    this.#http.close();
  }
}

export function ntfyBody(
  notification: Notification,
  { topic, priorities = {}, tags = [] }: Pick<NtfySettings, 'topic' | 'priorities' | 'tags'>,
  externalUrl: string,
) {
  const { title, alerts, omitted, link, hasFiring } = messageOf(notification, externalUrl);
  const most = mostUrgent(notification.alerts);
  const isOver = most === undefined || isResolved(most);
  const urgency = urgencyOf(most?.severity ?? '');
  const blocks = alerts.map(({ heading, lines }) => [heading, ...lines].join('\n'));
  return {
    topic,
    title,
    message: blocksWithin(blocks, omitted, MAX_NTFY_MESSAGE_BYTES, omittedText, Buffer.byteLength),
    priority: isOver ? RESOLVED_PRIORITY : (priorities[most.severity] ?? PRIORITIES[urgency]),
    tags: [TAGS[hasFiring ? urgency : 'resolved'], ...tags],
    ...(link === undefined ? {} : { click: link }),
  };
}
