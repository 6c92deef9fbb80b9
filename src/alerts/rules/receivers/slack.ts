/** Incoming webhooks of Slack, and of programs that take the same: Mattermost, Rocket.Chat, Zulip. */
import { z } from 'zod';
import { certificates, line, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

const fields = {
  url: url('https://hooks.slack.com/services/T000/B000/XXXX'),
  /** Slack's own webhooks ignore these three; compatible programs use them. */
  channel: line('a channel such as #ops', 80).optional(),
  username: line('a name', 80).optional(),
  icon_emoji: line('an emoji such as ":bell:"', 80).optional(),
  ca: certificates.optional(),
};

const schema = z.strictObject(fields);
export type SlackSettings = z.output<typeof schema>;

export const slack: ReceiverKind<SlackSettings> = {
  schema,
  fields,
  inFiles: ['url', 'ca'],
  sendsResolved: true,
  runsCommands: false,
};
