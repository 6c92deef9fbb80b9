/** Webhooks of Discord: https://discord.com/developers/docs/resources/webhook#execute-webhook */
import type { DiscordSettings } from '../../rules/receivers/discord.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { isoTime } from './alert-facts.ts';
import { colourOf } from './colours.ts';
import type { ReceiverContext } from './context.ts';
import { blocksWithin } from './cut.ts';
import { discordLink, discordText } from './discord-text.ts';
import { HttpReceiver } from './http-receiver.ts';
import { type MessageAlert, messageOf, omittedText } from './message.ts';
import { MAX_DISCORD_DESCRIPTION, MAX_DISCORD_TITLE, MAX_FIELD_LENGTH } from './receiver-limits.ts';

export class DiscordSender implements Sender {
  readonly #http: HttpReceiver;
  readonly #settings: DiscordSettings;
  readonly #context: ReceiverContext;

  constructor(settings: DiscordSettings, context: ReceiverContext) {
    this.#http = new HttpReceiver({ url: settings.url, ca: settings.ca, clock: context.clock, isPathSecret: true });
    this.#settings = settings;
    this.#context = context;
  }

  send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    return this.#http.post(
      JSON.stringify(discordBody(notification, this.#settings, this.#context.externalUrl)),
      signal,
    );
  }

  async close(): Promise<void> {
    this.#http.close();
  }
}

export function discordBody(
  notification: Notification,
  { username }: Pick<DiscordSettings, 'username'>,
  externalUrl: string,
) {
  const { title, alerts, omitted, link } = messageOf(notification, externalUrl);
  return {
    ...(username === undefined ? {} : { username }),
    // Whatever the text says, nobody is mentioned.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: discordText(title, MAX_DISCORD_TITLE),
        ...(link === undefined ? {} : { url: link }),
        description: blocksWithin(alerts.map(blockOf), omitted, MAX_DISCORD_DESCRIPTION, omittedText),
        color: colourOf(notification.alerts),
        timestamp: isoTime(notification.createdUnixMs),
      },
    ],
  };
}

function blockOf({ heading, lines, link, runbook }: MessageAlert): string {
  const links = [
    ...(link === undefined ? [] : [discordLink(link, 'details')]),
    ...(runbook === undefined ? [] : [discordLink(runbook, 'runbook')]),
  ];
  // The heading alone is bold: stars of the text itself are escaped.
  const head = `**${discordText(heading, MAX_FIELD_LENGTH)}**`;
  const texts = lines.map((text) => discordText(text, MAX_FIELD_LENGTH));
  return [head, ...texts, ...(links.length === 0 ? [] : [links.join(' · ')])].join('\n');
}
