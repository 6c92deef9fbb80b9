/**
 * Incoming webhooks of Slack, and of programs that take the same. One attachment with a colour: compatible programs know these,
 * but not Slack's blocks.
 */
import type { SlackSettings } from '../../rules/receivers/slack.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { colourOf } from './colours.ts';
import type { ReceiverContext } from './context.ts';
import { blocksWithin } from './cut.ts';
import { HttpReceiver } from './http-receiver.ts';
import { type MessageAlert, messageOf, omittedText } from './message.ts';
import { MAX_FIELD_LENGTH, MAX_SLACK_TEXT, MAX_TITLE_LENGTH } from './receiver-limits.ts';
import { slackLink, slackText } from './slack-text.ts';

export class SlackSender implements Sender {
  readonly #http: HttpReceiver;
  readonly #settings: SlackSettings;
  readonly #context: ReceiverContext;

  constructor(settings: SlackSettings, context: ReceiverContext) {
    this.#http = new HttpReceiver({ url: settings.url, ca: settings.ca, clock: context.clock, isPathSecret: true });
    this.#settings = settings;
    this.#context = context;
  }

  send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    return this.#http.post(JSON.stringify(slackBody(notification, this.#settings, this.#context.externalUrl)), signal);
  }

  async close(): Promise<void> {
    this.#http.close();
  }
}

export function slackBody(
  notification: Notification,
  settings: Omit<SlackSettings, 'url' | 'ca'>,
  externalUrl: string,
) {
  const { channel, username, icon_emoji } = settings;
  const { title, alerts, omitted, link } = messageOf(notification, externalUrl);
  const shownTitle = slackText(title, 2 * MAX_TITLE_LENGTH);
  return {
    ...(channel === undefined ? {} : { channel }),
    ...(username === undefined ? {} : { username }),
    ...(icon_emoji === undefined ? {} : { icon_emoji }),
    attachments: [
      {
        color: `#${colourOf(notification.alerts).toString(16).padStart(6, '0')}`,
        fallback: shownTitle,
        title: shownTitle,
        ...(link === undefined ? {} : { title_link: link }),
        text: blocksWithin(alerts.map(blockOf), omitted, MAX_SLACK_TEXT, omittedText),
        // No field is read as Slack's Markdown.
        mrkdwn_in: [],
      },
    ],
  };
}

function blockOf({ heading, lines, link, runbook }: MessageAlert): string {
  const links = [
    ...(link === undefined ? [] : [slackLink(link, 'details')]),
    ...(runbook === undefined ? [] : [slackLink(runbook, 'runbook')]),
  ];
  const texts = [heading, ...lines].map((text) => slackText(text, MAX_FIELD_LENGTH));
  return [...texts, ...(links.length === 0 ? [] : [links.join(' · ')])].join('\n');
}
